"""What programs hand over in Python: a wrong type is one clear error with its cure, never a traceback from within."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import weft
from weft.core.errors import UsageError
from weft.core.limits import DirGrant, Grants, Limits
from weft.core.model import ModelOptions

ECHO = """
(module
  (import "weft" "frame_size" (func $size (result i32)))
  (import "weft" "frame_read" (func $read (param i32 i32 i32) (result i32)))
  (import "weft" "frame_media_type" (func $media (param i32 i32) (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "weft_handle") (result i32)
    (drop (call $read (i32.const 256) (i32.const 1024) (i32.const 0)))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (call $media (i32.const 0) (i32.const 256))
      (i32.const 256) (call $size))))
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "echo.wat"
    path.write_text(ECHO)
    return path


@pytest.fixture
def echo(module: Path) -> Iterator[weft.LoadedFunction]:
    with weft.load(module) as function:
        yield function


@pytest.mark.parametrize(
    ("given", "payload", "media_type"),
    [
        (b"bytes", b"bytes", "application/octet-stream"),
        (bytearray(b"more"), b"more", "application/octet-stream"),
        (memoryview(b"a view")[2:], b"view", "application/octet-stream"),
        (np.array([1, 2], np.uint8), b"\1\2", "application/octet-stream"),
        ("größe", "größe".encode(), "text/plain"),
        (weft.Frame(b"{}", media_type="application/json"), b"{}", "application/json"),
        (weft.Frame(bytearray(b"x")), b"x", "application/octet-stream"),
    ],
)
def test_a_function_takes_frames_bytes_and_text(
    echo: weft.LoadedFunction, given: object, payload: bytes, media_type: str
) -> None:
    (frame,) = echo(given)
    assert (frame.payload, frame.media_type) == (payload, media_type)
    assert type(frame.payload) is bytes


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, "None"), (5, "an int 5"), ([1, 2], "a list"), ({"a": 1}, "a dict"), (Path("x"), "PosixPath")],
)
def test_a_function_refuses_the_rest_and_lives_on(echo: weft.LoadedFunction, given: object, said: str) -> None:
    with pytest.raises(UsageError, match=f"echo: it was called with .*{said}") as raised:
        echo(given)
    assert "give a weft.Frame, bytes or text" in raised.value.cure
    assert echo(b"next")[0].payload == b"next"


def test_a_payload_is_bytes_and_keeps_no_tie_to_what_it_was_made_of() -> None:
    changing = bytearray(b"before")
    frame = weft.Frame(changing)
    changing[:] = b"after!"
    assert frame.payload == b"before"
    with pytest.raises(UsageError, match="payload is str") as raised:
        weft.Frame("text")
    assert "text.encode()" in raised.value.cure
    with pytest.raises(UsageError, match="payload is int"):
        weft.Frame(1000)


@pytest.mark.parametrize(
    ("options", "said", "cure"),
    [
        ({"models": "net.onnx"}, "models is a str 'net.onnx'", 'models={"net": "model.onnx"}'),
        ({"models": ["net.onnx"]}, "models is a list", 'models={"net": "model.onnx"}'),
        ({"models": {"net": None}}, "models['net'] is None", "give a path"),
        ({"models": {"net": b"onnx"}}, "models['net'] is a bytes", "write it to a file"),
        ({"models": {"net": ("a", "b")}}, "models['net'] is ('a', 'b')", "weft.ModelOptions"),
        ({"models": {"net": (1, ModelOptions())}}, "models['net'] is an int 1", "give a path"),
        ({"models": {1: "net.onnx"}}, "a name in models is an int 1", "give text"),
        ({"config": "threshold=0.5"}, "config is a str 'threshold=0.5'", 'config={"threshold": 0.5}'),
        ({"config": {1: "a"}}, "a name in config is an int 1", "give text"),
        ({"config": {"labels": b"a"}}, "config['labels'] is a bytes", ".decode()"),
        ({"grants": {"dirs": ()}}, "grants is a dict", "weft.Grants("),
        ({"grants": Grants(dirs="data")}, "grants.dirs is a str 'data'", "parse_dir"),
        ({"grants": Grants(dirs=("data",))}, "grants.dirs is a str 'data'", "parse_dir"),
        ({"grants": Grants(env=["A=1"])}, "grants.env is a list", "give a dict"),
        ({"grants": Grants(env={"A": 1})}, "grants.env['A'] is an int 1", "give text"),
        ({"grants": Grants(allow="nn.load")}, "grants.allow is a str 'nn.load'", "frozenset"),
        ({"grants": Grants(allow={1})}, "grants.allow is an int 1", "frozenset"),
        ({"grants": Grants(state="counter.db")}, "grants.state is a str 'counter.db'", "weft.StateGrant("),
        ({"limits": 5}, "limits is an int 5", "weft.Limits("),
        ({"args": "--verbose"}, "args is a str '--verbose'", "give a list"),
        ({"args": ["-n", 5]}, "args is an int 5", "as str"),
        ({"instance": "new"}, "instance is 'new'", "'reuse' or 'fresh'"),
        ({"limits": None}, "limits is None", "weft.Limits("),
    ],
)  # fmt: skip
def test_load_tells_what_it_cannot_take(module: Path, options: dict[str, object], said: str, cure: str) -> None:
    with pytest.raises(UsageError) as raised:
        weft.load(module, **options)
    assert (raised.value.what, cure in raised.value.cure) == (said, True), raised.value.cure


@pytest.mark.parametrize(("path", "said"), [(None, "None"), (b"\0asm", "a bytes"), (5, "an int 5"), (["a"], "a list")])
def test_load_tells_that_a_module_is_a_path(path: object, said: str) -> None:
    with pytest.raises(UsageError, match=f"the module is {said}"):
        weft.load(path)


def test_load_takes_all_that_is_right(module: Path, tmp_path: Path) -> None:
    grants = Grants(dirs=[DirGrant(tmp_path, "data")], env={"A": "1"}, allow={"nn.load"})
    limits = Limits(time=np.float64(1.5), memory=np.int64(2**24))
    with weft.load(
        str(module), config={"n": 1}, grants=grants, limits=limits, args=("a",), instance="fresh"
    ) as function:
        assert function("x")[0].payload == b"x"


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("time", "200ms", "weft.core.units.parse_duration reads text"),
        ("time", None, "give seconds as a number"),
        ("start", math.nan, "above 0"),
        ("memory", "64MiB", "weft.core.units.parse_size reads text"),
        ("memory", 1.5, "give a whole number"),
        ("emits", "10", "give a whole number"),
        ("logs", True, "give a whole number"),
    ],
)
def test_limits_are_numbers(name: str, value: object, cure: str) -> None:
    with pytest.raises(UsageError, match=f"limits.{name} is") as raised:
        Limits(**{name: value})
    assert cure in raised.value.cure
