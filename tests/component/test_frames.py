"""What a component is given of a frame, and what it may say of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.component.guests import ECHO, NOTHING, RET_AT, text
from tests.wasm.harness import Driven
from weft.core.errors import GuestFailed, GuestTrap
from weft.core.frame import Frame
from weft.wasm.trace import HostTrace

EMIT = "(call $ret #0) (call $ret #4) #528"
COUNT = """
  (global.set $count (i32.add (global.get $count) #1))
  (i32.store8 #768 (i32.add #48 (global.get $count)))"""
SAY_COUNT = f"{COUNT} (call $emit_text {NOTHING} {NOTHING} #768 #1 #528)"
FIRST = "(i32.load8_u (call $ret #0))"

Guest = Callable[..., Driven]


def test_a_text_crosses_both_ways(guest: Guest) -> None:
    echo = guest(ECHO)
    assert echo.function.abi.name == "component"
    [said] = echo.frames(Frame("grüße ☃ \x00".encode(), stream="in", sequence=7, headers={"a": "b"}))
    assert said.payload.decode() == "grüße ☃ \x00"
    assert (said.media_type, said.stream, said.sequence, said.headers) == ("text/plain", "", 7, {"a": "b"})


def test_malformed_text_becomes_replacement_characters(guest: Guest) -> None:
    assert guest(ECHO)(b"a\xff\xfeb") == ["a��b".encode()]


@pytest.mark.parametrize("size", [0, 1, 150_000])
def test_bytes_cross_both_ways_as_a_list(guest: Guest, size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    code = f"(call $read (i64.const 0) (call $size) {RET_AT}) (call $emit {NOTHING} {NOTHING} {EMIT})"
    [said] = guest(code).frames(Frame(payload))
    assert said.payload == payload
    assert said.media_type == "application/octet-stream"


@pytest.mark.parametrize("size", [0, 1, 150_000, 5_000_000])
def test_bytes_cross_both_ways_as_text(guest: Guest, size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    code = f"(call $read_latin1 (i64.const 0) (call $size) {RET_AT}) (call $emit_latin1 {NOTHING} {NOTHING} {EMIT})"
    assert guest(code)(payload) == [payload]


def test_a_read_stays_within_the_payload_and_one_list(guest: Guest) -> None:
    code = f"(call $read (i64.const 3) (i64.const -1) {RET_AT}) (call $emit {NOTHING} {NOTHING} {EMIT})"
    part = guest(code)
    assert part(b"abcdef") == [b"def"]
    assert part(b"ab") == [b""]
    assert len(part(bytes(3_000_000))[0]) == 2**20


def test_the_frame_itself_is_handed_through(guest: Guest) -> None:
    handed = guest(f"(call $emit_frame {text(0, 3)} {NOTHING} {RET_AT})", data=["out"])
    [said] = handed.frames(Frame(b"\x89PNG", media_type="image/png"))
    assert (said.payload, said.media_type, said.stream) == (b"\x89PNG", "image/png", "out")


def test_a_character_that_is_no_byte_is_refused(guest: Guest) -> None:
    code = f"""(call $text {RET_AT}) (call $emit_latin1 {NOTHING} {NOTHING} {EMIT})
      (if (i32.load8_u #528)
        (then (return (call $fail (i32.load #536) (i32.load #540)))))"""
    strict = guest(code)
    assert strict(b"abc") == [b"abc"]
    with pytest.raises(GuestFailed, match="the character '☃' is no byte"):
        strict("☃".encode())


def test_headers_and_names_are_there(guest: Guest) -> None:
    code = f"""(call $header {text(0, 4)} {RET_AT})
      (if (i32.load8_u {RET_AT}) (then
        (call $emit_text {NOTHING} {NOTHING} (call $ret #4) (call $ret #8) #528)))
      (call $stream_name {RET_AT}) (call $emit_text {NOTHING} {NOTHING} {EMIT})"""
    names = guest(code, data=["kind"])
    said = names.frames(Frame(b"", stream="camera", headers={"kind": "test"}))
    assert [frame.payload for frame in said] == [b"test", b"camera"]
    assert names(b"") == [b""]


def test_config_is_read_and_a_near_miss_is_noted(guest: Guest) -> None:
    code = f"""(call $config {text(0, 9)} {RET_AT})
      (if (i32.eqz (i32.load8_u {RET_AT})) (then (return (call $fail {text(1, 8)}))))
      (call $emit_text {NOTHING} {NOTHING} (call $ret #4) (call $ret #8) #528)"""
    assert guest(code, data=["threshold", "not told"], config={"threshold": "0.5"})(b"") == [b"0.5"]
    near = guest(code, data=["threshold", "not told"], config={"treshold": "0.5"})
    with pytest.raises(
        GuestFailed, match=r"handle failed: not told; config\.get: no config .threshold.; did you mean 'treshold'"
    ):
        near(b"")


def test_log_lines_have_their_level_and_no_control_characters(guest: Guest, caplog: pytest.LogCaptureFixture) -> None:
    code = f"(call $log #2 {text(0, 3)} {text(1, 5)}) (call $log #5 {NOTHING} {text(2, 1)})"
    with caplog.at_level(logging.DEBUG, logger="weft.guest.logs"):
        guest(code, data=["app", "a\\1b[0m", "x"], name="logs")(b"")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "app: a\\x1b[0m"),
        ("CRITICAL", "x"),
    ]


def test_an_instance_is_kept_and_init_runs_once(guest: Guest) -> None:
    assert [said for _ in range(3) for said in guest(SAY_COUNT, init=COUNT)(b"")] == [b"2", b"2", b"2"]
    kept = guest(SAY_COUNT, init=COUNT)
    assert [kept(b"") for _ in range(3)] == [[b"2"], [b"3"], [b"4"]]


def test_a_fresh_instance_for_each_frame(guest: Guest) -> None:
    fresh = guest(SAY_COUNT, init=COUNT, policy="fresh")
    assert [fresh(b"") for _ in range(3)] == [[b"2"]] * 3


def test_an_error_fails_its_frame_and_the_instance_is_kept(guest: Guest) -> None:
    code = f"(call $text {RET_AT}) (if (i32.eq {FIRST} #33) (then (return (call $fail {text(0, 11)})))) {SAY_COUNT}"
    picky = guest(code, data=["no\\0athe \\1bway"])
    assert picky(b"a") == [b"1"]
    with pytest.raises(GuestFailed) as failed:
        picky(b"!")
    assert failed.value.what == "handle failed: no\n  the \\x1bway"
    assert picky(b"a") == [b"2"]
    assert picky.handler.replaced == 0


def test_a_trap_fails_its_frame_and_the_next_gets_a_new_instance(guest: Guest) -> None:
    code = f"(call $text {RET_AT}) (if (i32.eq {FIRST} #33) (then (unreachable))) {SAY_COUNT}"
    shaky = guest(code)
    assert [shaky(b"a"), shaky(b"a")] == [[b"1"], [b"2"]]
    with pytest.raises(GuestTrap, match="it gave up") as trapped:
        shaky(b"!")
    assert "limits.memory" in trapped.value.cure
    assert shaky(b"a") == [b"1"]
    assert shaky.handler.replaced == 1


def test_an_init_that_fails_fails_the_start(guest: Guest) -> None:
    with pytest.raises(GuestFailed, match="init failed: not today"):
        guest(ECHO, init=f"(return (call $fail {text(0, 9)}))", data=["not today"])(b"")


def test_only_the_functions_outputs_are_emitted_to(guest: Guest) -> None:
    code = f"""(call $emit_text {text(0, 4)} {NOTHING} {NOTHING} {RET_AT})
      (if (i32.load8_u {RET_AT}) (then (return (call $fail (call $ret #8) (call $ret #12)))))"""
    strays = guest(code, data=["boxs"], outputs=("boxes",))
    with pytest.raises(GuestFailed, match="none of its outputs"):
        strays(b"")


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(max_size=300), offset=st.integers(0, 2**64 - 1), length=st.integers(0, 2**64 - 1))
def test_any_range_of_any_payload_may_be_read(guest: Guest, payload: bytes, offset: int, length: int) -> None:
    signed: Any = [value - 2**64 if value >= 2**63 else value for value in (offset, length)]
    range_ = f"(i64.const {signed[0]}) (i64.const {signed[1]})"
    code = f"(call $read {range_} {RET_AT}) (call $emit {NOTHING} {NOTHING} {EMIT})"
    code += f"(call $read_latin1 {range_} {RET_AT}) (call $emit_latin1 {NOTHING} {NOTHING} {EMIT})"
    assert guest(code)(payload) == [payload[offset : offset + length]] * 2


def test_each_call_of_the_host_is_traced(guest: Guest) -> None:
    lines: list[str] = []
    code = f"(call $read (i64.const 0) (call $size) {RET_AT}) {ECHO} (call $config {text(0, 1)} {RET_AT})"
    assert guest(code, data=["k"], trace=HostTrace(lines.append))(b"hello") == [b"hello"]
    assert [line.rpartition("  ")[0] for line in lines] == [
        "frame.size() = 5",
        "frame.read(0, 5) = 5 bytes",
        "frame.text() = 'hello'",
        "output.emit-text('', '', 'hello')",
        "config.get('k')",
    ]


def test_a_refusal_is_traced(guest: Guest) -> None:
    lines: list[str] = []
    code = f"(call $emit_text {text(0, 4)} {NOTHING} {NOTHING} {RET_AT})"
    guest(code, data=["boxs"], outputs=("boxes",), trace=HostTrace(lines.append))(b"")
    assert lines[0].startswith("output.emit-text('boxs', '', '') refused: emits to stream 'boxs'")
