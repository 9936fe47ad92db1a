"""Arbitrary pointers, lengths and handles, with a session, a context or a picture there to be misused.

Every call ends in a number or an error of the tree, and changes nothing but what it was to write.
"""

from __future__ import annotations

import functools
import io
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.nn.tiny import tensorflow_graph, tflite_identity
from tests.wasm.harness import Probe, Thread, models, parameters, probe_wat
from tests.wasm.harness import settings as guest_settings
from weft.core.errors import GuestError
from weft.core.limits import Grants, Limits
from weft.wasm.host import signatures

PAGES = 2
SIZE = PAGES * 65536
LIMITS = Limits(memory=SIZE, time=1.0, output=SIZE, emits=50, handles=4, logs=5)
NUMBERS = np.arange(4, dtype=np.float32).tobytes()
Ranges = list[tuple[int, int]]
Prepare = Callable[[Probe], None]


def first_generation(probe: Probe, module: str, function: str, *args: int) -> int:
    return probe.call(f"{module}_{function}", *args)


def tflite(probe: Probe) -> None:
    """A session of each generation that has run: handles 1 (tensor 2) and 0."""
    model, name, out = tflite_identity("f32", [1, 4]), probe.text("x"), probe.put(bytes(4))
    at, data = probe.put(model), probe.put(NUMBERS)
    first = functools.partial(first_generation, probe, "wasmedge_tensorflowlite")
    assert first("create_session", at, len(model)) == 1
    first("append_input", 1, *name, data, 16)
    assert first("run_session", 1) == 0
    assert first("get_output_tensor", 1, *probe.text("y")) == 2
    assert probe.create_session(at, len(model), out) == 0
    assert probe.append_input(0, *name, data, 16) == 0
    assert probe.run_session(0) == 0


def graph(probe: Probe) -> None:
    """The same with a TensorFlow graph."""
    model, name, output = tensorflow_graph(), probe.text("input"), probe.text("output")
    at, data, dims = probe.put(model), probe.put(NUMBERS), probe.put(struct.pack("<q", 4))
    first = functools.partial(first_generation, probe, "wasmedge_tensorflow")
    assert first("create_session", at, len(model)) == 1
    first("append_input", 1, *name, 0, dims, 1, 1, data, 16)
    first("append_output", 1, *output, 0)
    assert first("run_session", 1) == 0
    assert first("get_output_tensor", 1, *output, 0) == 2
    assert probe.create_session(at, len(model), probe.put(bytes(4))) == 0
    assert probe.append_input(0, *name, dims, 1, 1, data, 16) == 0
    assert probe.append_output(0, *output) == 0
    assert probe.run_session(0) == 0


def wamr(probe: Probe) -> None:
    """A context that has computed."""
    model = tflite_identity("f32", [1, 4])
    parts = probe.put(struct.pack("<II", probe.put(model), len(model)))
    assert probe.load(probe.put(struct.pack("<II", parts, 1)), 4, 0, probe.put(bytes(4))) == 0
    assert probe.init_execution_context(0, probe.put(bytes(4))) == 0
    shape = probe.put(struct.pack("<II", probe.put(struct.pack("<2I", 1, 4)), 2))
    assert probe.set_input(0, 0, probe.put(struct.pack("<III", shape, 1, probe.put(NUMBERS)))) == 0
    assert probe.compute(0) == 0


def picture(probe: Probe) -> None:
    """A PNG at 1024."""
    file = io.BytesIO()
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(file, "PNG")
    probe.put(file.getvalue())


def nothing(probe: Probe) -> None:
    """Only the frame."""


PREPARE: dict[str, Prepare] = {
    "wasmedge_tensorflowlite": tflite,
    "wasmedge_tensorflow": graph,
    "wasi_nn": wamr,
    "wasmedge_image": picture,
    "env": nothing,
    "wasmedge-bindgen": nothing,
}
PAYLOAD = b"a frame's payload"
WRITES: dict[str, Callable[[list[int]], Ranges]] = {
    "create_session": lambda a: [(a[2], 4)] if len(a) == 3 else [],
    "create_session_saved_model": lambda a: [(a[4], 4)],
    "get_output_tensor": lambda a: [(a[3], 4)],
    "get_tensor_len": lambda a: [(a[2], 4)] if len(a) == 3 else [],
    "get_tensor_data": lambda a: [(a[2], 16), (a[4], 4)] if len(a) == 5 else [(a[1], 16)],
    "load": lambda a: [(a[3], 4)],
    "load_by_name": lambda a: [(a[2], 4)],
    "load_by_name_with_config": lambda a: [(a[4], 4)],
    "init_execution_context": lambda a: [(a[1], 4)],
    "get_output": lambda a: [(a[2], 16), (a[3], 4)],
    "yomo_context_data": lambda a: [(a[0], len(PAYLOAD))],
    "yomo_load_input": lambda a: [(a[0], len(PAYLOAD))],
    **{name: lambda a: [(a[5], a[2] * a[3] * 12)] for name in ("load_jpg", "load_png", "load_image")},
}
"""Where a function may write, from its arguments; the others write nowhere."""


def may_write(function: str, args: list[int]) -> Ranges:
    short = function.removeprefix("wasmedge_tensorflowlite_").removeprefix("wasmedge_tensorflow_")
    if function.startswith("wasmedge_image_"):
        return [(args[4], args[2] * args[3] * 12)]
    if function.startswith("wasmedge_tensorflow") and short == "get_output_tensor":
        return []
    return WRITES.get(short, lambda _: [])(args)


@functools.cache
def thread() -> Thread:
    return Thread()


@functools.cache
def module(name: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="weft-probe-")) / "probe.wat"
    path.write_text(probe_wat(name, pages=PAGES))
    return path


def prepared(name: str) -> Probe:
    granted = {"default": models().load_bytes([tflite_identity("f32", [1, 4])])}
    grants = Grants(allow=frozenset({"nn.load"}))
    probe = Probe(module(name), thread(), guest_settings("probe", limits=LIMITS, grants=grants, models=granted))
    probe.frame(PAYLOAD, stream="tag/0x33")
    PREPARE[name](probe)
    return probe


def outcome(probe: Probe, function: str, args: list[int]) -> int | GuestError:
    """What a call does: a number, or an error of the tree."""
    try:
        return probe.call(function, *args)
    except GuestError as error:
        return error


EDGES = [SIZE - 20, SIZE - 4, SIZE - 1, SIZE, 2**31 - 1, -(2**31), -1, -4]
SMALL = st.integers(0, 20)
POINTER = st.one_of(SMALL, st.integers(1000, 3000), st.integers(0, SIZE), st.sampled_from(EDGES))
HANDLE = st.one_of(st.integers(0, 3), st.sampled_from([-1, 2**63 - 1, -(2**63)]))
KINDS = {"i32": st.one_of(SMALL, POINTER), "i64": HANDLE}
FUNCTIONS = [(name, function) for name in PREPARE for function in signatures(name)]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS, ids=[".".join(pair) for pair in FUNCTIONS])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_call_writes_where_it_may_or_nowhere(name: str, function: str, data: st.DataObject) -> None:
    probe = prepared(name)
    try:
        for _ in range(4):
            args = [data.draw(KINDS[kind]) for kind in parameters(signatures(name)[function])]
            before = np.frombuffer(probe.read(0, SIZE), np.uint8)
            result = outcome(probe, function, args)
            if isinstance(result, GuestError):
                assert "defect of Weft" not in result.cure, result
                return
            assert type(result) is int
            changed = np.flatnonzero(before != np.frombuffer(probe.read(0, SIZE), np.uint8))
            ranges = [(start & 0xFFFFFFFF, size) for start, size in may_write(function, args)]
            outside = [at for at in changed.tolist() if not any(s <= at < s + size for s, size in ranges)]
            assert outside == []
    finally:
        probe.close()


@pytest.mark.parametrize("name", PREPARE)
def test_the_state_that_is_misused_is_really_there(name: str) -> None:
    """The preparations hold: a call that is right succeeds."""
    probe = prepared(name)
    out = probe.put(bytes(32))
    right: dict[str, Callable[[], int]] = {
        "wasmedge_tensorflowlite": lambda: probe.get_tensor_data(0, 0, out, 16, out + 16),
        "wasmedge_tensorflow": lambda: probe.get_tensor_data(0, 0, out, 16, out + 16),
        "wasi_nn": lambda: probe.get_output(0, 0, out, probe.put(struct.pack("<I", 4))),
        "wasmedge_image": lambda: probe.load_png(1024, 400, 2, 2, 0, out, 12),
        "env": lambda: probe.yomo_write(1, out, 4),
        "wasmedge-bindgen": lambda: probe.return_error(out, 4),
    }
    assert right[name]() == 0
    probe.close()
