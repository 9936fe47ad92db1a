"""``--trace-host``: what each call of the host looks like, and that looking changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nn import tiny
from tests.wasm.harness import Driven, Probe, models, parameters, probe_wat
from tests.wasm.harness import settings as guest_settings
from tests.wasm.test_properties import CANARY, FUNCTIONS, KINDS, LIMITS, SIZE, module_path, picture, thread
from weft.core.errors import GuestError, OutputLimitError
from weft.core.limits import Grants, Limits
from weft.wasm.host import signatures
from weft.wasm.trace import MAX_LINE, HostTrace, label, refusal_words

MakeProbe = Callable[..., Probe]
TOOK = re.compile(r"  \d+(\.\d+)? (µs|ms|s)$")


class Lines(list[str]):
    """The lines of a trace, without how long each took."""

    def take(self, text: str) -> None:
        line = text.rstrip("\n")
        self.append(TOOK.sub("", line))

    @property
    def last(self) -> str:
        return self[-1]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def traced(probe: MakeProbe, lines: Lines) -> MakeProbe:
    """``traced("weft", config=…)`` is a probe whose calls stand in ``lines``."""
    return lambda module, **options: probe(module, trace=HostTrace(lines.take), **options)


# --- what a line says -------------------------------------------------------------------


def test_numbers_and_their_time(probe: MakeProbe):
    seen: list[str] = []
    guest = probe("weft", trace=HostTrace(seen.append))
    guest.frame(b"x" * 93482, sequence=7)
    assert guest.frame_size() == 93482
    assert guest.frame_sequence() == 7
    assert re.fullmatch(r"frame_size\(\) = 93482  \d+ µs\n", seen[0])
    assert seen[1].startswith("frame_sequence() = 7  ")


def test_texts_a_guest_passes_and_gets(traced: MakeProbe, lines: Lines):
    guest = traced("weft", config={"threshold": "0.5"})
    guest.frame(b"", media_type="image/jpeg")
    assert guest.config_get(*guest.text("threshold"), 64, 16) == 3
    assert guest.frame_media_type(64, 16) == 10
    assert guest.frame_media_type(64, 4) == 10
    assert lines == [
        'config_get("threshold", room for 16) = 3 "0.5"',
        'frame_media_type(room for 16) = 10 "image/jpeg"',
        "frame_media_type(room for 4) = 10 (more than there is room for)",
    ]


def test_a_refusal_in_words(traced: MakeProbe, lines: Lines):
    guest = traced("weft", config={"threshold": "0.5"})
    guest.config_get(*guest.text("treshold"), 64, 16)
    guest.frame_header(*guest.text("none"), 64, 16)
    guest.config_get(2**32 - 8, 4, 64, 16)
    assert lines[0].endswith("= -2 not found: no config 'treshold'; did you mean 'threshold'?")
    assert lines[1] == 'frame_header("none", room for 16) = -2 not found'
    assert lines[2].startswith(
        "config_get(4 bytes at 0xfffffff8, outside its memory, room for 16) = -1 outside: 4 bytes"
    )


def test_numbers_that_stand_for_something(traced: MakeProbe, lines: Lines):
    guest = traced("weft")
    guest.frame(picture())
    guest.image_size(64)
    guest.image_read(8, 6, 2, 1024, 48)
    guest.image_tensor(8, 6, 1, 1, guest.put(b"\0\0\0?" * 3), 0, 4096, 8 * 6 * 3 * 4)
    guest.log(3, *guest.text("careful\n"))
    assert lines == [
        "image_size() = 0 -> 8 × 6",
        "image_read(8, 6, gray8, room for 48) = 0",
        "image_tensor(8, 6, nchw, f32, (0.5, 0.5, 0.5), none, room for 576) = 0",
        'log(warn, "careful\\n")',
    ]


def test_inference(traced: MakeProbe, lines: Lines):
    guest = traced("wasi_ephemeral_nn", models={"net": models().load_bytes([tiny.onnx_identity("f32", [2, 3])])})
    assert guest.load_by_name(*guest.text("net"), 512) == 0
    assert guest.load_by_name(*guest.text("nett"), 512) == 8
    assert guest.init_execution_context(0, 512) == 0
    dims, data = guest.put(b"\2\0\0\0\3\0\0\0"), guest.put(bytes(24))
    tensor = guest.put(b"".join(value.to_bytes(4, "little") for value in (dims, 2, 1, data, 24)))
    assert guest.set_input(0, 0, tensor) == 0
    assert guest.compute(0) == 0
    assert guest.get_output(0, 0, 1 << 16, 64, 512) == 0
    assert lines[0] == 'wasi_ephemeral_nn.load_by_name("net") = 0 -> graph 0'
    refused = "denied: no model 'nett' was granted; did you mean 'net'?"
    assert lines[1] == f'wasi_ephemeral_nn.load_by_name("nett") = 8 {refused}'
    assert lines[2:] == [
        "wasi_ephemeral_nn.init_execution_context(0) = 0 -> context 0",
        "wasi_ephemeral_nn.set_input(0, 0, [2,3] of type 1, 24 bytes) = 0",
        "wasi_ephemeral_nn.compute(0) = 0",
        "wasi_ephemeral_nn.get_output(0, 0, room for 64) = 0 -> written 24",
    ]


def test_bytes_that_are_no_text_are_counted(traced: MakeProbe, lines: Lines):
    guest = traced("weft")
    guest.frame(b"")
    guest.emit(0, 0, 0, 0, guest.put(bytes(range(200, 240))), 40)
    assert lines == ['emit("", "", 40 bytes: c8 c9 ca cb cc cd ce cf …) = 0']


def test_long_texts_and_lines_are_cut(traced: MakeProbe, lines: Lines):
    guest = traced("weft")
    guest.log(2, *guest.text("é" * 1000))
    assert lines.last.startswith('log(info, "ééé')
    assert lines.last.endswith('é…" (2000 bytes))')
    assert len(lines.last) < 120
    seen: list[str] = []
    HostTrace(seen.append).call("f", "x" * 5000, "", 0.0)
    assert len(seen[0]) < MAX_LINE + 20


def test_a_guest_cannot_steer_the_terminal_or_forge_a_line(traced: MakeProbe, lines: Lines):
    guest = traced("weft")
    guest.log(2, *guest.text("\x1b[2J"))
    guest.log(2, *guest.text("a\nframe_size() = 1"))
    assert lines == ["log(info, 4 bytes: 1b 5b 32 4a)", 'log(info, "a\\nframe_size() = 1")']


def test_a_call_that_ends_the_guest_is_told(traced: MakeProbe, lines: Lines):
    guest = traced("weft", limits=Limits(emits=1))
    guest.frame(b"")
    guest.emit(0, 0, 0, 0, 0, 0)
    with pytest.raises(OutputLimitError):
        guest.emit(0, 0, 0, 0, 0, 0)
    assert lines.last.startswith('emit("", "", "") ended the guest: ')


def test_names_say_whose_they_are():
    assert label("weft", "emit") == "emit"
    assert label("env", "yomo_write") == "env.yomo_write"
    assert label("wasmedge_tensorflow", "wasmedge_tensorflow_run_session") == "wasmedge_tensorflow_run_session"
    assert refusal_words("too_small", "a buffer of 3", "make it 4") == "too small: a buffer of 3; make it 4"


# --- how many, and of whom --------------------------------------------------------------


def test_lines_beyond_the_limit_are_counted():
    seen: list[str] = []
    trace = HostTrace(seen.append, lines=2, named=True)
    for number in range(5):
        trace.call("counter", f"f({number})", "= 0", 1e-6)
    trace.close()
    trace.close()
    assert seen[:2] == ["counter: f(0) = 0  1 µs\n", "counter: f(1) = 0  1 µs\n"]
    assert seen[2:] == ["… 3 more host calls not shown; --trace-lines shows more than 2\n"]


def test_without_a_trace_nothing_stands_in_between(probe: MakeProbe, traced: MakeProbe):
    def behind(guest: Probe) -> str:
        guest.frame(b"")
        guest.frame_size()
        [call] = [slot for slot in guest.instance.slots if slot]
        return call[0].__module__

    assert behind(probe("weft")) == "weft.wasm.guard"
    assert behind(traced("weft")) == "weft.wasm.trace"


def test_a_whole_function(drive: Callable[..., Driven], guest: Callable[[str], Path], lines: Lines):
    driven = drive(guest("echo"), trace=HostTrace(lines.take))
    assert driven(b"hello")
    assert any(line.startswith("emit(") and line.endswith("= 0") for line in lines)


def test_a_program_that_sleeps_is_traced_too(drive: Callable[..., Driven], wat: Callable[[str], Path], lines: Lines):
    text = probe_wat("wasi_snapshot_preview1").replace(
        "(memory",
        '(func (export "weft_handle") (result i32)'
        " (call $h0 (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 128))) (memory",
    )
    with pytest.raises(GuestError):
        drive(wat(text), trace=HostTrace(lines.take))(b"")
    assert lines == ["wasi_snapshot_preview1.poll_oneoff(0x0, 0x40, 0) = 28 invalid: 0 subscriptions; 1 to 1024"]


# --- whatever a guest does --------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(("module", "function"), FUNCTIONS, ids=lambda name: name)
def test_tracing_changes_no_result_and_never_fails(module: str, function: str, data: st.DataObject):
    signature = signatures(module)[function]
    args = data.draw(st.tuples(*(KINDS[kind] for kind in parameters(signature))))
    seen: list[str] = []
    plain, watched = (_outcome(module, function, args, trace) for trace in (None, HostTrace(seen.append)))
    assert watched == plain
    assert len(seen) == 1
    assert seen[0].isprintable() is False, "it ends its line"
    assert seen[0][:-1].isprintable()
    assert len(seen[0]) < MAX_LINE + 30


def _outcome(module: str, function: str, args: tuple[int, ...], trace: HostTrace | None) -> tuple[object, bytes]:
    """What a call answers, or the kind of its error, and the guest's memory after it."""
    models_ = {"m": models().load_bytes([tiny.onnx_identity("f32", ["n"])])}
    grants = Grants(allow=frozenset({"nn.load"}))
    options = guest_settings("probe", models=models_, limits=LIMITS, grants=grants, config={"a": "b"}, trace=trace)
    probe = Probe(module_path(module), thread(), options)
    try:
        probe.frame(picture(), time_ns=1)
        probe.instance.memory.write(0, CANARY)
        probe.instance.memory.write(0, b"m")
        try:
            answer: object = probe.call(function, *args)
        except GuestError as error:
            answer = type(error)
        return answer, probe.read(0, SIZE) if function != "poll_oneoff" else b""
    finally:
        probe.close()
