"""Modules kept as files that are mapped: compiled once, and taken only where this user wrote them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import wasmtime

from weft.core.errors import ModuleError
from weft.wasm import large, source
from weft.wasm.engine import Engine, engine
from weft.wasm.large import is_compiled, load_large


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module, and a cache with nothing in it."""
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "module.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm('(module (func (export "_start")))')))
    return path


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is compiled from here on."""
    names: list[str] = []
    real = Engine.compile_uncached

    def compile_uncached(self: Engine, wasm: bytes, name: str) -> wasmtime.Module:
        names.append(name)
        return real(self, wasm, name)

    monkeypatch.setattr(Engine, "compile_uncached", compile_uncached)
    return names


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.rglob(pattern)
    return path


def test_it_is_compiled_once(module: Path, compiled: list[str]) -> None:
    assert not is_compiled(module)
    first = load_large(module)
    assert is_compiled(module)
    second = load_large(module)
    assert first.digest == second.digest
    assert [export.name for export in second.raw.exports] == ["_start"]
    assert compiled == [str(module)]


def test_a_changed_module_is_compiled_again(module: Path, compiled: list[str]) -> None:
    before = load_large(module)
    module.write_bytes(bytes(wasmtime.wat2wasm('(module (func (export "other")))')))
    after = load_large(module)
    assert before.digest != after.digest
    assert [export.name for export in after.raw.exports] == ["other"]
    assert len(compiled) == 2


def test_code_that_was_touched_is_never_loaded(module: Path, compiled: list[str], tmp_path: Path) -> None:
    load_large(module)
    code = only(tmp_path, "*.code")
    status = code.stat()
    data = bytearray(code.read_bytes())
    data[-1] ^= 1
    with code.open("r+b") as file:  # the same inode and size
        file.write(data)
    os.utime(code, ns=(status.st_atime_ns, status.st_mtime_ns))  # and its old time
    assert not is_compiled(module)
    load_large(module)
    assert len(compiled) == 2


def test_another_file_in_its_place_is_never_loaded(module: Path, compiled: list[str], tmp_path: Path) -> None:
    load_large(module)
    code = only(tmp_path, "*.code")
    other = code.with_suffix(".other")
    other.write_bytes(code.read_bytes())
    other.replace(code)
    assert not is_compiled(module)
    code.unlink()
    code.symlink_to(module)
    assert not is_compiled(module)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"note": 1, "mac": 2}', '{"note": "{}", "mac": "00"}'])
def test_a_note_that_this_user_did_not_sign_counts_for_nothing(
    module: Path, compiled: list[str], tmp_path: Path, text: str
) -> None:
    load_large(module)
    only(tmp_path, "*.json").write_text(text)
    assert not is_compiled(module)
    load_large(module)
    assert is_compiled(module)


def test_a_note_signed_with_another_key_counts_for_nothing(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_large(module)
    note = only(tmp_path, "*.json")
    assert json.loads(note.read_text())["mac"]
    monkeypatch.setenv("WEFT_CONFIG", str(tmp_path / "another"))
    assert not is_compiled(module)


def test_without_a_cache_it_is_compiled_all_the_same(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "file" / "below"))
    assert [export.name for export in load_large(module).raw.exports] == ["_start"]
    assert not is_compiled(module)


def test_no_more_than_a_few_are_kept(tmp_path: Path, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "KEPT", 2)
    paths = [tmp_path / f"{number}.wasm" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes(wasmtime.wat2wasm(f'(module (func (export "f{number}")))')))
        load_large(path)
        note = max(tmp_path.rglob("*.json"), key=lambda found: found.stat().st_ctime_ns)
        os.utime(note, (number, number))
    assert [is_compiled(path) for path in paths] == [False, False, True, True]
    assert len([*tmp_path.rglob("*.code")]) == 2


def test_a_damaged_note_of_another_module_is_no_matter(module: Path, tmp_path: Path) -> None:
    load_large(module)
    (only(tmp_path, "*.json").parent / "other.json").write_text('{"note": "{", "mac": 1}')
    other = tmp_path / "other.wasm"
    other.write_bytes(module.read_bytes() + b"\0\x02\x01x")
    load_large(other)
    assert is_compiled(other)
    assert is_compiled(module)


def test_what_is_no_wasm_says_so(module: Path) -> None:
    module.write_bytes(b"\0asm\x01\0\0\0broken")
    with pytest.raises(ModuleError, match="not valid WebAssembly"):
        load_large(module)


def test_modules_over_the_size_go_this_way(module: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LARGE", 8)
    assert source.load_module(module).digest == load_large(module).digest
    assert len(compiled) == 1
    assert engine().cache.get(load_large(module).digest) is None
