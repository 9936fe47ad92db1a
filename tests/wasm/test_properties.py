"""Arbitrary numbers thrown at every host function there is: an errno or a GuestError, and nothing else.

Host modules and their functions are enumerated, so that a new one is covered from its first day.
"""

from __future__ import annotations

import functools
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.nn import tiny
from tests.wasm.harness import Probe, Thread, models, parameters, probe_wat
from tests.wasm.harness import settings as guest_settings
from weft.core.errors import GuestError, LimitError
from weft.core.limits import Grants, Limits
from weft.wasm.host import host_modules, signatures

PAGES = 2
SIZE = PAGES * 65536
CANARY = b"\xa5" * SIZE
LIMITS = Limits(memory=SIZE, time=0.2, output=SIZE, emits=50, handles=4, logs=5)

EDGES = [0, 1, 4, 8, 1024, SIZE - 20, SIZE - 4, SIZE - 1, SIZE, SIZE + 1, 2**31 - 1, -(2**31), -1, -4, -20]
POINTERS = st.one_of(st.integers(0, SIZE), st.sampled_from(EDGES), st.integers(-(2**31), 2**31 - 1), st.integers(0, 40))
LONG = st.one_of(st.integers(0, 8), st.sampled_from([-1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1))
KINDS = {"i32": POINTERS, "i64": LONG, "f32": st.floats(width=32), "f64": st.floats()}

FUNCTIONS = [(module, function) for module in host_modules() for function in signatures(module)]


@functools.cache
def thread() -> Thread:
    return Thread()


@functools.cache
def module_path(module: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="weft-probe-")) / "probe.wat"
    path.write_text(probe_wat(module, pages=PAGES))
    return path


@functools.cache
def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), (1, 2, 3)).save(out, "PNG")
    return out.getvalue()


def new_probe(module: str) -> Probe:
    """A probe with a picture as its frame, a granted model "m" at address 0 and, in wasi-nn, a context."""
    model = models().load_bytes([tiny.onnx_identity("f32", ["n"])])
    options = guest_settings(
        "probe", limits=LIMITS, models={"m": model}, grants=Grants(allow=frozenset({"nn.load"})), config={"m": "value"}
    )
    probe = Probe(module_path(module), thread(), options)
    probe.frame(picture(), stream="in", headers={"m": "value"})
    probe.instance.memory.write(0, b"m")
    if module == "wasi_ephemeral_nn":
        assert probe.load_by_name(0, 1, 64) == 0
        assert probe.init_execution_context(0, 64) == 0
    return probe


def outcome(probe: Probe, function: str, args: Sequence[float]) -> int | GuestError:
    """What a call does: a number, or an error of the tree."""
    try:
        return probe.call(function, *args)
    except GuestError as error:
        return error


@pytest.mark.parametrize(("module", "function"), FUNCTIONS, ids=[".".join(pair) for pair in FUNCTIONS])
def test_a_host_function_takes_any_numbers(module: str, function: str) -> None:
    kinds = parameters(signatures(module)[function])
    probes = [new_probe(module)]

    @settings(max_examples=25, deadline=None, database=None)
    @given(args=st.tuples(*(KINDS[kind] for kind in kinds)), memory=st.binary(max_size=48))
    def throw(args: tuple[float, ...], memory: bytes) -> None:
        probe = probes[-1]
        probe.instance.memory.write(16, memory)
        result = outcome(probe, function, args)
        if isinstance(result, GuestError):
            assert "defect of Weft" not in result.cure, result
            probe.close()
            probes.append(new_probe(module))
            return
        assert type(result) is int
        assert probe.instance.memory.size == SIZE

    try:
        throw()
        assert isinstance(outcome(probes[-1], function, [0] * len(kinds)), int | GuestError)
    finally:
        probes[-1].close()


@settings(max_examples=300, deadline=None)
@given(ptr=POINTERS, length=POINTERS)
@example(ptr=SIZE, length=0)
@example(ptr=-1, length=1)
@example(ptr=-1, length=-1)
def test_memory_is_written_inside_the_guest_or_not_at_all(ptr: int, length: int) -> None:
    """The bounds check itself, beside a twin that must not change."""
    probe, twin = twins()
    payload = bytes(min(length & 0xFFFFFFFF, SIZE))
    probe.instance.memory.write(0, CANARY)
    probe.frame(payload)
    start = ptr & 0xFFFFFFFF
    written = probe.call("frame_read", ptr, length, 0)
    inside = start + len(payload) <= SIZE
    assert written == (len(payload) if inside else -1)
    after = probe.read(0, SIZE)
    expected = CANARY[:start] + payload + CANARY[start + len(payload) :] if inside else CANARY
    assert after == expected
    assert twin.read(0, SIZE) == CANARY


@functools.cache
def twins() -> tuple[Probe, Probe]:
    probe, twin = new_probe("weft"), new_probe("weft")
    twin.instance.memory.write(0, CANARY)
    return probe, twin


@pytest.mark.parametrize("module", list(host_modules()))
def test_an_endless_loop_of_calls_ends_at_a_limit(module: str) -> None:
    """Hundreds of calls with the same numbers: graphs, contexts, tensors and lines all stay bounded."""
    probe = new_probe(module)
    try:
        for function, signature in signatures(module).items():
            args = [0] * len(parameters(signature))
            for _ in range(300):
                if isinstance(outcome(probe, function, args), LimitError):
                    return
    finally:
        probe.close()
