"""Compiled code: kept by digest, loaded only when this user made it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from weft.core.errors import DeniedError, ModuleError, OutputError, UnavailableError, WeftError
from weft.wasm import compiled
from weft.wasm.compiled import CompiledCache, Header, seal
from weft.wasm.engine import engine
from weft.wasm.source import compile_to, load_module

Wat = Callable[..., Path]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a key of this test's own."""
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WEFT_CONFIG", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def cache() -> CompiledCache:
    """The engine's cache, counting from zero."""
    cache = engine().cache
    cache.hits = cache.misses = 0
    return cache


@pytest.fixture
def module(wat: Wat) -> Path:
    return wat('(module (func (export "weft_handle") (result i32) (i32.const 41)))')


def cached_file(folders: Path) -> Path:
    (file,) = (folders / "cache" / "compiled").glob("*.cwasm")
    return file


def test_a_module_is_compiled_once(module: Path, cache: CompiledCache) -> None:
    first = load_module(module)
    assert (cache.hits, cache.misses) == (0, 1)
    assert load_module(module).digest == first.digest
    assert (cache.hits, cache.misses) == (1, 1)


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "empty"])
def test_a_damaged_cache_is_no_error(module: Path, cache: CompiledCache, folders: Path, damage: str) -> None:
    load_module(module)
    file = cached_file(folders)
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes({"cut": data[:-50], "flip": data, "garbage": os.urandom(1000), "empty": b""}[damage])
    load_module(module)
    assert (cache.hits, cache.misses) == (0, 2)
    load_module(module)
    assert cache.hits == 1


def test_a_cache_that_somebody_else_filled_is_not_believed(
    module: Path, cache: CompiledCache, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_module(module)
    monkeypatch.setenv("WEFT_CONFIG", str(folders / "other"))
    load_module(module)
    assert (cache.hits, cache.misses) == (0, 2)


def test_a_cache_file_under_another_modules_name_is_not_believed(
    module: Path, wat: Wat, cache: CompiledCache, folders: Path
) -> None:
    load_module(module)
    file = cached_file(folders)
    other = wat("(module)")
    load_module(other)
    (twin,) = set((folders / "cache" / "compiled").glob("*.cwasm")) - {file}
    twin.write_bytes(file.read_bytes())
    assert not load_module(other).raw.exports
    assert cache.hits == 0


def test_folders_that_cannot_be_written_are_no_error(
    module: Path, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders / "file").write_text("")
    for name in ("WEFT_CACHE", "WEFT_CONFIG"):
        monkeypatch.setenv(name, str(folders / "file" / "x"))
        load_module(module)


def test_only_so_many_are_kept(module: Path, wat: Wat, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "CACHE_FILES", 3)
    for number in range(5):
        load_module(wat(f"(module (memory {number}))"))
    assert len(list((folders / "cache" / "compiled").iterdir())) == 3


def test_compiled_ahead_of_time_it_is_the_same_module(module: Path, folders: Path) -> None:
    output = folders / "out.cwasm"
    made = compile_to(module, output)
    loaded = load_module(output)
    assert (loaded.form, loaded.digest, loaded.name) == ("cwasm", made.digest, made.name)
    assert [export.name for export in loaded.raw.exports] == ["weft_handle"]
    with pytest.raises(ModuleError, match="compiled already"):
        compile_to(output, folders / "again.cwasm")
    with pytest.raises(OutputError):
        compile_to(module, folders / "missing" / "out.cwasm")


def test_what_was_tampered_with_is_denied_and_loads_only_when_trusted(module: Path, folders: Path) -> None:
    output = folders / "out.cwasm"
    compile_to(module, output)
    data = output.read_bytes()
    start = len(compiled.MAGIC)
    (size,) = struct.unpack_from("<I", data, start)
    head = json.loads(data[start + 4 : start + 4 + size])
    head["name"] = "f" * len(head["name"])
    changed = json.dumps(head).encode()
    assert len(changed) == size
    output.write_bytes(data[: start + 4] + changed + data[start + 4 + size :])
    with pytest.raises(DeniedError, match="not made here by you") as caught:
        load_module(output)
    assert "--trust" in caught.value.cure
    assert load_module(output, trust=True).name == head["name"]


def test_what_another_user_compiled_is_denied(module: Path, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = folders / "out.cwasm"
    compile_to(module, output)
    monkeypatch.setenv("WEFT_CONFIG", str(folders / "other"))
    with pytest.raises(DeniedError):
        load_module(output)
    assert load_module(output, trust=True).form == "cwasm"


def test_bare_compiled_code_loads_only_when_trusted(module: Path, folders: Path) -> None:
    bare = folders / "bare.cwasm"
    bare.write_bytes(bytes(load_module(module).raw.serialize()))
    with pytest.raises(DeniedError, match="native code"):
        load_module(bare)
    assert [export.name for export in load_module(bare, trust=True).raw.exports] == ["weft_handle"]


def test_code_for_another_engine_says_so(module: Path, folders: Path) -> None:
    output = folders / "out.cwasm"
    code = bytes(load_module(module).raw.serialize())
    output.write_bytes(seal(Header("m", "0" * 64, "wasmtime-1.0-Linux-sparc-abc"), code))
    with pytest.raises(ModuleError, match=r"compiled for wasmtime-1\.0-Linux-sparc-abc") as caught:
        load_module(output)
    assert "weft compile" in caught.value.cure
    output.write_bytes(seal(Header("m", "0" * 64, engine().fingerprint), b"not code"))
    with pytest.raises(ModuleError, match="does not fit this machine or version"):
        load_module(output)


@pytest.mark.parametrize(
    "rest", [b"", b"\xff\xff\xff\xff", b"\x02\0\0\0[]", b"\x04\0\0\0null", b"\xa0\x86\x01\0" + b"[" * 100_000]
)
def test_a_broken_header_is_a_damaged_file(folders: Path, rest: bytes) -> None:
    path = folders / "broken.cwasm"
    path.write_bytes(compiled.MAGIC + rest)
    for trust in (False, True):
        with pytest.raises(ModuleError, match="damaged"):
            load_module(path, trust=trust)


@pytest.mark.parametrize("key", [b"", b"short", bytes(200)])
def test_a_damaged_key_is_replaced(module: Path, folders: Path, key: bytes) -> None:
    """An empty key would let anybody sign."""
    path = folders / "config" / "compile.key"
    path.parent.mkdir()
    path.write_bytes(key)
    compile_to(module, folders / "out.cwasm")
    assert len(path.read_bytes()) == 32
    assert load_module(folders / "out.cwasm").form == "cwasm"


def test_the_key_is_this_users_alone(module: Path, folders: Path) -> None:
    load_module(module)
    assert (folders / "config" / "compile.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_made_is_said(module: Path, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = folders / "out.cwasm"
    compile_to(module, output)
    (folders / "file").write_text("")
    monkeypatch.setenv("WEFT_CONFIG", str(folders / "file" / "x"))
    for attempt in (lambda: load_module(output), lambda: compile_to(module, folders / "two.cwasm")):
        with pytest.raises(UnavailableError, match="key for compiled code") as caught:
            attempt()
        assert isinstance(caught.value, WeftError)
        assert "WEFT_CONFIG" in caught.value.cure
