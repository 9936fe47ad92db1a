"""Reactors in good order: frames through, state kept or not, words in the log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wasm.harness import Driven
from weft.core.errors import GuestError
from weft.core.frame import Frame

COUNTER = """
(module
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) "0")
  (func (export "weft_handle") (result i32)
    (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 52)) (then unreachable))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))))
"""
"""Emits how many frames its memory has seen, and traps on the fourth."""


@pytest.mark.parametrize("size", [0, 1, 65_536, 8 * 2**20])
def test_a_payload_goes_through_at_any_size(
    guest: Callable[[str], Path], drive: Callable[..., Driven], size: int
) -> None:
    payload = os.urandom(size)
    echo = drive(guest("echo"))
    for _ in range(2):
        assert echo(payload) == [payload]


def test_an_emitted_frame_follows_from_the_one_it_answers(
    guest: Callable[[str], Path], drive: Callable[..., Driven]
) -> None:
    frame = Frame(b"x", media_type="text/x-own", sequence=2**40, time_ns=8, headers={"a": "b"})
    (emitted,) = drive(guest("echo")).frames(frame)
    assert (emitted.media_type, emitted.sequence, emitted.time_ns) == ("text/x-own", 2**40, 8)
    assert dict(emitted.headers) == {"a": "b"}


def test_what_it_prints_stands_in_the_log_under_its_name(
    guest: Callable[[str], Path], drive: Callable[..., Driven], caplog: pytest.LogCaptureFixture
) -> None:
    echo = drive(guest("echo"), name="echoing")
    with caplog.at_level("INFO", "weft.guest.echoing"):
        for number in range(3):
            echo(b"x", sequence=number)
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        ("weft.guest.echoing", "INFO", f"frame {number}") for number in range(3)
    ]


def test_reuse_keeps_the_instance_until_it_traps(wat: Callable[..., Path], drive: Callable[..., Driven]) -> None:
    counter = drive(wat(COUNTER))
    for round_ in range(2):
        assert [counter(), counter(), counter()] == [[b"1"], [b"2"], [b"3"]]
        with pytest.raises(GuestError):
            counter()
        assert counter.handler.replaced == round_ + 1


def test_fresh_makes_a_new_one_for_every_frame(wat: Callable[..., Path], drive: Callable[..., Driven]) -> None:
    counter = drive(wat(COUNTER), policy="fresh")
    assert [counter() for _ in range(6)] == [[b"1"]] * 6
    assert counter.handler.replaced == 0
