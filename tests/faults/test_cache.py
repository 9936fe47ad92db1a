"""The cache: unwritable, damaged, shared by processes that start at once. It is never the reason to fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Done, Guests, Start
from weft.flow.callable import load
from weft.nn.auto import AutoEngine, memory_file
from weft.nn.backend import Target
from weft.nn.source import Sources
from weft.wasm.engine import engine

Weft = Callable[..., Done]


def test_a_cache_that_cannot_be_used_is_done_without(
    called: Weft, weft: Weft, guests: Guests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    (tmp_path / "loop").symlink_to("loop")
    for place in ("file", "loop", "/proc/nothing", "/dev/null", "a" * 300):
        monkeypatch.setenv("WEFT_CACHE", place)
        monkeypatch.setenv("WEFT_CONFIG", place)
        called("inspect", guests("echo")).told(0)
        with load(guests("echo")) as function:
            assert function(b"hello")[0].payload == b"hello", place
    assert weft("run", guests("echo"), stdin=b"hello").told(0).out == "hello"
    monkeypatch.setenv("WEFT_CONFIG", "file")
    called("compile", guests("echo"), "-o", "x.cwasm").told(69, "compile.key", "WEFT_CONFIG")


def test_damaged_files_in_the_cache_are_made_again(
    guests: Guests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    wasm = guests("echo").read_bytes()
    engine().compile(wasm, "echo")
    (kept,) = (tmp_path / "cache" / "compiled").iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"", b"x", whole[:50], whole[: len(whole) // 2], bytes(flipped), whole + b"x", bytes(len(whole))):
        kept.write_bytes(damaged)
        misses = engine().cache.misses
        engine().compile(wasm, "echo")
        assert engine().cache.misses == misses + 1
        assert len(kept.read_bytes()) == len(whole)
    kept.unlink()
    kept.mkdir()
    engine().compile(wasm, "echo")


def test_a_damaged_memory_of_engines_is_made_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path))
    source = Sources().of_path(data / "models" / "identity.onnx")
    for content in (b"[1, 2", b"\xff\xfe", b"[]", b'{"engines": 5}', b"[" * 100_000):
        memory_file().write_bytes(content)
        assert "timed now" in AutoEngine().choose(source, Target("cpu", "f32", 1))[1], content
        assert "remembered" in AutoEngine().choose(source, Target("cpu", "f32", 1))[1]


def test_processes_that_compile_at_once_do_not_disturb_each_other(
    started: Start, guests: Guests, tmp_path: Path
) -> None:
    module = guests("command")
    surroundings = {**os.environ, "WEFT_CACHE": str(tmp_path / "cache"), "WEFT_CONFIG": str(tmp_path / "config")}
    running = [started("run", module, "args", number, env=surroundings) for number in range(3)]
    outputs = [process.communicate(timeout=30) for process in running]
    assert [(out, err) for out, err in outputs] == [
        (f"command.wasm\nargs\n{number}\n".encode(), b"") for number in range(3)
    ]
    assert [path.suffix for path in (tmp_path / "cache" / "compiled").iterdir()] == [".cwasm"]
    again = started("run", module, "args", env=surroundings)
    assert again.communicate(timeout=30) == (b"command.wasm\nargs\n", b"")
