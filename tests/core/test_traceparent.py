"""The header ``traceparent``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.frame import Frame
from weft.core.traceparent import SAMPLED, TraceParent, made_from, parse

SAMPLE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_standards_own_example_is_read_and_written():
    parent = parse(SAMPLE)
    assert parent == TraceParent(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, SAMPLED)
    assert parent.sampled
    assert str(parent) == SAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        SAMPLE.upper(),
        SAMPLE[:-1],
        SAMPLE + "-more",
        SAMPLE + "\n",
        "ff" + SAMPLE[2:],
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        SAMPLE.replace("a", "٣"),
    ],
)
def test_what_is_malformed_counts_for_nothing(text: str):
    assert parse(text) is None
    frame = Frame(b"", source="cam", sequence=1, time_ns=2, headers={"traceparent": text})
    assert frame.traceparent == made_from("cam", 1, 2)


def test_a_later_version_may_say_more():
    assert parse("01" + SAMPLE[2:] + "-more") == parse(SAMPLE)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_every_place_in_a_trace_is_read_as_it_was_written(trace_id: int, span_id: int, flags: int):
    parent = TraceParent(trace_id, span_id, flags)
    assert parse(str(parent)) == parent


@given(st.text())
def test_no_text_is_too_odd(text: str):
    assert parse(text) is None or len(text) >= len(SAMPLE)


@given(st.text(st.characters()), st.integers(), st.integers())
def test_a_frame_without_a_header_has_a_trace_all_the_same(source: str, sequence: int, time_ns: int):
    made = made_from(source, sequence, time_ns)
    assert parse(str(made)) == made
    assert not made.sampled


def test_what_follows_from_a_frame_belongs_to_its_trace():
    frame = Frame(b"x", source="cam", sequence=3, time_ns=5)
    derived = frame.derive(b"y", media_type="text/plain", stream="labels")
    assert derived.traceparent == frame.traceparent == Frame(source="cam", sequence=3, time_ns=5).traceparent
    assert frame.traceparent != Frame(source="cam", sequence=4, time_ns=5).traceparent
    named = Frame(b"x", headers={"traceparent": SAMPLE})
    assert str(named.derive(b"y", media_type="text/plain", stream="labels").traceparent) == SAMPLE


def test_a_function_that_asks_for_the_header_gets_it():
    frame = Frame(b"x", source="cam", headers={"a": "b"})
    assert (frame.header("a"), frame.header("c")) == ("b", None)
    assert frame.header("traceparent") == str(frame.traceparent)


def test_a_share_of_all_traces_is_about_that_share():
    chosen = sum(made_from("cam", number, 0).within(0.1) for number in range(5000))
    assert 400 < chosen < 600
    assert all(made_from("cam", number, 0).within(1.0) for number in range(100))


def test_the_size_of_a_frame_encodes_nothing():
    assert Frame(b"abc").size == 3
    assert Frame().size == 0
