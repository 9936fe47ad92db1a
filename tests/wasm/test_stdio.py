"""Guests that live long and speak through pipes."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wasm.harness import Driven
from weft.core.errors import GuestError, GuestExit, GuestFailed, GuestTrap, OutputLimitError, TimeLimitError
from weft.core.frame import Frame
from weft.core.limits import MIB, Limits
from weft.wasm.records import RecordParser, frame_record

LITTLE = Limits(time=60.0, start=60.0, output=MIB, emits=20, stdout=10_000, logs=3)
"""Little of all but time: machines are slow at times."""

TIGHT = replace(LITTLE, time=0.4, start=0.3)
Speak = Callable[..., Driven]


@pytest.fixture
def speak(guest: Callable[[str], Path], drive: Callable[..., Driven]) -> Speak:
    """A stdio guest."""

    def make(**options: object) -> Driven:
        return drive(guest("stdio"), **{"limits": LITTLE, "name": "speaker", **options})

    return make


def test_each_frame_is_answered_by_the_same_guest(speak: Speak) -> None:
    driven = speak()
    assert driven.function.abi.name == "stdio"
    assert [driven(f"frame {number}".encode()) for number in range(20)] == [[b"frame %d" % n] for n in range(20)]
    assert driven.handler.replaced == 0


@pytest.mark.parametrize(
    ("asked", "answers"),
    [(b"silence", []), (b"more", [b"one", b"two"]), (b"", [b""]), (b"log", [b"logged"]), (b"host", [b"cam/front"])],
)
def test_the_forms_of_an_answer(speak: Speak, asked: bytes, answers: list[bytes]) -> None:
    driven = speak()
    assert driven(asked, stream="cam/front") == answers
    assert driven(b"next") == [b"next"]


def test_an_answer_keeps_the_frames_sequence_and_headers(speak: Speak) -> None:
    frame = Frame(b"x", sequence=9, time_ns=4, headers={"a": "ü"}, stream="in", media_type="text/plain")
    (emitted,) = speak().frames(frame)
    assert (emitted.sequence, emitted.time_ns, dict(emitted.headers)) == (9, 4, {"a": "ü"})
    assert emitted.media_type == "text/plain"


def test_a_guest_may_have_all_the_time_there_is(speak: Speak) -> None:
    assert speak(limits=Limits(time=math.inf, start=math.inf))(b"x") == [b"x"]


def test_eight_megabytes_both_ways(speak: Speak) -> None:
    payload = os.urandom(8 * MIB)
    driven = speak(limits=Limits())
    for _ in range(3):
        assert driven(payload) == [payload]


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (b"error", GuestFailed, r"the guest says: no\\x1bt this one"),
        (b"stream", GuestFailed, "emits to stream 'unknown'"),
        (b"garbage", OutputLimitError, "wrote a record of"),
        (b"no-json", GuestError, "header is no JSON"),
        (b"list", GuestError, "no JSON object"),
        (b"hang", TimeLimitError, r"did not answer within 2\.0 s"),
        (b"leave", GuestTrap, "ended although frames were to come"),
        (b"fail", GuestExit, "exited with code 4; its last words: gave up"),
        (b"trap", GuestTrap, "unreachable"),
        (b"more-forever", OutputLimitError, "emitted more than 20 frames"),
    ],
)
def test_what_goes_wrong_fails_its_frame_and_the_next_is_answered(
    speak: Speak, asked: bytes, error: type[GuestError], says: str
) -> None:
    driven = speak(outputs=("known",), limits=replace(LITTLE, time=2.0) if asked == b"hang" else LITTLE)
    assert driven(b"before") == [b"before"]
    with pytest.raises(error, match=says) as caught:
        driven(asked)
    assert caught.value.where == "speaker"
    assert driven(b"after") == [b"after"]


def test_a_refusal_keeps_the_guest(speak: Speak) -> None:
    driven = speak()
    with pytest.raises(GuestFailed):
        driven(b"error")
    first = driven.instance
    assert driven(b"after") == [b"after"]
    assert driven.instance is first
    assert driven.handler.replaced == 0


def test_an_answer_nobody_asked_for_never_becomes_the_next_frames(speak: Speak) -> None:
    driven = speak()
    assert driven(b"twice") == [b"one"]
    with pytest.raises(GuestTrap, match="although no frame was to be answered") as caught:
        driven(b"next")
    assert "one record" in caught.value.cure
    assert driven(b"after") == [b"after"]


def test_allowances_are_per_frame(speak: Speak, caplog: pytest.LogCaptureFixture) -> None:
    """20 bytes of log and one line per frame: far over the limits in all, far under them for each frame."""
    driven = speak()
    for _ in range(600):
        assert driven(b"log") == [b"logged"]
    assert driven.handler.replaced == 0
    assert caplog.messages.count("a line for the log") == 600


def test_a_guest_that_ended_between_frames_is_noticed_and_replaced(speak: Speak) -> None:
    driven = speak()
    driven(b"first")
    for _ in range(3):
        with pytest.raises(GuestError):
            driven(b"leave")
        assert driven(b"again") == [b"again"]
    assert driven.handler.replaced == 3


def test_a_large_frame_to_a_guest_that_hangs_ends_in_time(speak: Speak, wat: Callable[..., Path], drive: Speak) -> None:
    deaf = '(module (func (export "weft_stdio")) (func (export "_start") (loop (br 0))))'
    driven = drive(wat(deaf), limits=TIGHT)
    started = time.monotonic()
    with pytest.raises(TimeLimitError):
        driven(bytes(8 * MIB))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("(func $s (loop (br 0))) (start $s)", TimeLimitError),
        ("(func $s unreachable) (start $s)", GuestTrap),
        ('(memory (export "memory") 10000)', GuestError),
    ],
    ids=["endless", "trap", "memory"],
)
def test_a_guest_that_does_not_start(
    wat: Callable[..., Path], drive: Speak, module: str, error: type[GuestError]
) -> None:
    driven = drive(wat(f'(module {module} (func (export "weft_stdio")) (func (export "_start")))'), limits=TIGHT)
    for _ in range(2):
        with pytest.raises(error):
            driven(b"x")


def test_making_ready_counts_as_start_and_not_as_the_first_frames_time(wat: Callable[..., Path], drive: Speak) -> None:
    """1.2 s of sleep before the first record is read, with 1 s for a frame."""
    slow = """
    (module
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "weft_stdio"))
      (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 1200000000))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
        (i32.store (i32.const 256) (i32.const 1024))
        (i32.store (i32.const 260) (i32.const 4096))
        (i32.store (i32.const 264) (i32.const 8192))
        (i32.store (i32.const 268) (i32.const 8))
        (loop
          (drop (call $read (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 272)))
          (if (i32.load (i32.const 272)) (then
            (drop (call $write (i32.const 1) (i32.const 264) (i32.const 1) (i32.const 272)))
            (br 1))))))
    """
    driven = drive(wat(slow), limits=Limits(time=1.0, start=60.0))
    assert [driven(b"a"), driven(b"b")] == [[], []]
    assert driven.handler.replaced == 0


def test_a_fresh_guest_for_each_frame(speak: Speak) -> None:
    driven = speak(policy="fresh")
    assert [driven(b"a"), driven(b"b")] == [[b"a"], [b"b"]]


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_records_come_in_any_pieces(piece: int) -> None:
    data = frame_record(Frame(b"one", sequence=1)) + frame_record(Frame(b"", stream="s")) + bytes(8)
    parser = RecordParser(1000)
    records = [record for at in range(0, len(data), piece) for record in parser.feed(data[at : at + piece])]
    assert [payload for _, payload in records] == [b"one", b"", b""]
    assert records[0][0]["sequence"] == 1
    assert records[1][0]["stream"] == "s"
    assert records[2][0] == {}
