"""The receiving end: order, recovery driven by the reader, counters, and bounds."""

from __future__ import annotations

import threading
import time

import pytest

from weft.core.frame import Frame
from weft.stream import receiver as module
from weft.stream import recovery
from weft.stream.base import SubscribeOptions
from weft.stream.receiver import Receiver
from weft.stream.recovery import Gap
from weft.stream.sent import Sent
from weft.stream.wire import LATEST, RELIABLE

WAIT_S = 20.0


def frame(number: int, stream: str = "a") -> Frame:
    return Frame(str(number).encode(), stream=stream, sequence=number, time_ns=0)


class Asked:
    """Answers what a receiver asks for from a publisher's memory, at once."""

    def __init__(self, queue: int = 8, keep: int = 1000) -> None:
        self.gaps: list[Gap] = []
        self.sent: Sent[Frame] = Sent(keep, 10**9)
        self.receiver = Receiver(SubscribeOptions(queue=queue), self)

    def __call__(self, gap: Gap, stream: str) -> None:
        self.gaps.append(gap)
        for number, found in self.sent.between(gap.first, gap.last):
            self.receiver.take_asked([found], gap.publisher, number)
        self.receiver.answered(gap, self.sent.oldest)


def test_what_was_lost_is_asked_for_and_comes_in_its_place() -> None:
    asked = Asked()
    for number in range(6):
        asked.sent.add(frame(number), 1)
        if number not in (2, 3):
            asked.receiver.take(frame(number), 1, number, RELIABLE)
    assert [asked.receiver.get(1).sequence for _ in range(6)] == list(range(6))
    assert [(gap.first, gap.last) for gap in asked.gaps] == [(2, 3)]
    assert (asked.receiver.counters["recovered"], asked.receiver.counters["lost"]) == (2, 0)


def test_nothing_is_asked_for_while_nobody_reads() -> None:
    asked = Asked(queue=2)
    for number in range(9):
        asked.receiver.take(frame(number), 1, number, RELIABLE)
    assert asked.gaps == []


def test_a_gap_is_mended_while_another_stream_never_pauses() -> None:
    asked = Asked(queue=4)
    for number in (0, 1, 3):
        asked.sent.add(frame(len(asked.gaps) + number), 1)
    asked.sent = Sent(10, 1000)
    for number in range(4):
        asked.sent.add(frame(number), 1)
        if number != 1:
            asked.receiver.take(frame(number), 1, number, RELIABLE)
    seen, deadline = [], time.monotonic() + WAIT_S
    flood = 0
    while seen != [0, 1, 2, 3] and time.monotonic() < deadline:
        for _ in range(3):  # more than the reader takes: its inbox is never empty
            asked.receiver.take(frame(flood, "live"), 2, flood, 0)
            flood += 1
        got = asked.receiver.get(0)
        if got is not None and got.stream == "a":
            seen.append(got.sequence)
    assert seen == [0, 1, 2, 3]


def test_what_claims_to_be_another_streams_publisher_is_counted_and_harms_nothing() -> None:
    asked = Asked()
    asked.receiver.take(frame(0), 1, 0, RELIABLE)
    asked.receiver.take(frame(99, "b"), 1, 99, RELIABLE)
    asked.receiver.beat("b", 1, 500)
    asked.receiver.take_asked([frame(1, "b")], 1, 1)
    asked.receiver.take(frame(1), 1, 1, RELIABLE)
    assert [asked.receiver.get(0).payload for _ in range(2)] == [b"0", b"1"]
    assert asked.receiver.get(0) is None
    assert asked.receiver.counters["malformed"] == 1


def test_a_publisher_that_is_gone_holds_nothing_back() -> None:
    asked = Asked(queue=2)
    for number in (0, 2, 4, 6):
        asked.receiver.take(frame(number), 1, number, RELIABLE)
    asked.receiver.gone(1)
    assert [asked.receiver.get(1).sequence for _ in range(4)] == [0, 2, 4, 6]
    assert asked.receiver.counters["lost"] == 3
    assert asked.gaps == []


def test_a_beat_of_a_publisher_not_known_yet_begins_behind_it() -> None:
    asked = Asked()
    asked.receiver.beat("a", 1, 41)
    asked.receiver.take(frame(42), 1, 42, RELIABLE)
    assert asked.receiver.get(0).sequence == 42
    assert asked.gaps == []


def test_a_beat_of_one_that_keeps_its_last_frame_begins_with_that() -> None:
    asked = Asked()
    for number in range(42):
        asked.sent.add(frame(number), 1)
    asked.receiver.beat("a", 1, 41, RELIABLE | LATEST)
    assert asked.receiver.get(1).sequence == 41
    assert [(gap.first, gap.last) for gap in asked.gaps] == [(41, 41)]


def test_a_last_value_that_comes_after_a_newer_frame_is_dropped() -> None:
    for flags in (RELIABLE | LATEST, LATEST):
        asked = Asked()
        asked.receiver.take(frame(5), 1, 5, flags)
        asked.receiver.first(frame(4), 1, 4, flags)
        assert asked.receiver.get(0).sequence == 5
        assert asked.receiver.get(0) is None


def test_a_live_frame_that_was_the_answer_for_who_came_late_does_not_come_again() -> None:
    """It was on its way when its publisher was asked; what was sent before it is older than what the reader has."""
    asked = Asked()
    asked.receiver.first(frame(4), 1, 4, LATEST)
    for number in (3, 4, 5):
        asked.receiver.take(frame(number), 1, number, LATEST)
    asked.receiver.take_all([frame(6), frame(7)], 1, 6, LATEST)
    asked.receiver.first(frame(8), 2, 8, LATEST)
    asked.receiver.take_all([frame(7), frame(8), frame(9)], 2, 7, LATEST)
    came = iter(lambda: asked.receiver.get(0), None)
    assert [one.sequence for one in came] == [4, 5, 6, 7, 8, 9]


def test_publishers_are_bounded_and_those_forgotten_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PUBLISHERS", 10)
    asked = Asked(queue=1000)
    for publisher in range(3):
        asked.receiver.take(frame(0), publisher, 0, RELIABLE)
    asked.receiver.take(frame(4), 1, 4, RELIABLE)  # three are missing, and one is held back
    asked.receiver.gone(2)
    for publisher in range(100, 109):
        asked.receiver.take(frame(0), publisher, 0, RELIABLE)
        asked.receiver.take(frame(0), publisher + 1000, 0, LATEST)
    receiver = asked.receiver
    assert len(receiver._peers) == 10
    assert set(receiver._peers) == set(range(100, 109)) | {1}
    for publisher in range(200, 230):
        receiver.take(frame(0), publisher, 0, RELIABLE)
        receiver.take(frame(0), publisher + 1000, 0, LATEST)
    assert len(receiver._peers) == len(receiver._begun) == 10
    assert (receiver.counters["lost"], receiver._behind) == (4, {})


def test_closing_wakes_a_reader_that_waits_for_ever() -> None:
    receiver = Receiver(SubscribeOptions(), lambda *_: None)
    ended = threading.Event()
    threading.Thread(target=lambda: (list(receiver), ended.set())).start()
    receiver.close()
    assert ended.wait(WAIT_S)


def test_who_was_closed_asks_for_nothing_more() -> None:
    """The link may be gone by then; what is there can still be had."""
    asked = Asked()
    for number in (0, 2):
        asked.receiver.take(frame(number), 1, number, RELIABLE)
    asked.receiver.close()
    assert [got.sequence for got in asked.receiver] == [0]
    assert asked.gaps == []


def test_reading_waits_no_longer_than_it_is_told() -> None:
    receiver = Receiver(SubscribeOptions(), lambda *_: None)
    began = time.monotonic()
    assert receiver.get(0) is None
    assert receiver.get(0.05) is None
    assert 0.05 <= time.monotonic() - began < 5


def test_the_first_frames_of_a_publisher_that_started_later_are_asked_for() -> None:
    asked = Asked()
    for number in range(4):
        asked.sent.add(frame(number), 1)
    time.sleep(0.002)  # ages are in milliseconds
    asked.receiver.take(frame(3), 1, 3, RELIABLE, 0)
    assert [asked.receiver.get(1).sequence for _ in range(4)] == [0, 1, 2, 3]
    asked.receiver.take(frame(7), 2, 7, RELIABLE, 1_000_000)  # it was there before: its earlier frames are not owed
    assert asked.receiver.get(1).sequence == 7
    assert asked.receiver.counters["lost"] == 0


def test_a_beat_of_a_publisher_that_started_later_tells_of_frames_that_were_all_lost() -> None:
    asked = Asked()
    asked.sent.add(frame(0), 1)
    time.sleep(0.002)  # ages are in milliseconds
    asked.receiver.beat("a", 1, 0, RELIABLE, 0)
    assert asked.receiver.get(1).sequence == 0


def test_large_frames_that_waited_for_an_earlier_one_all_come() -> None:
    """They are more bytes than wait otherwise; nobody would ask for them again."""
    payload = bytes(8 * 2**20)
    receiver = Receiver(SubscribeOptions(queue=64), lambda gap, stream: None)
    numbers = list(range(38))
    for number in [*range(31), *range(32, 38), 31]:
        receiver.take(Frame(payload, stream="a", sequence=number, time_ns=0), 1, number, RELIABLE)
    assert [receiver.get(WAIT_S).sequence for _ in numbers] == numbers  # type: ignore[union-attr]
    assert receiver.get(0.0) is None


def test_frames_that_come_at_once_and_have_no_room_are_read_in_order_all_the_same(monkeypatch) -> None:
    monkeypatch.setattr(recovery, "SMALL_WINDOW", 16)
    asked = Asked(queue=4)
    for first in range(0, 100, 5):
        frames = [frame(number) for number in range(first, first + 5)]
        for each in frames:
            asked.sent.add(each, 1)
        asked.receiver.take_all(frames, 1, first, RELIABLE)
    assert [asked.receiver.get(1).sequence for _ in range(100)] == list(range(100))
    assert asked.receiver.counters["recovered"] >= 100 - 4 - 16 - 5
    assert asked.receiver.counters["lost"] == 0
