"""Putting frames back in order: every frame once and in order, or counted as lost, whatever the channel does."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from weft.stream import recovery as module
from weft.stream.recovery import BATCH, RETRY_S, SMALL_BYTES, SMALL_WINDOW, WINDOW, Gap, Recovery
from weft.stream.sent import Sent


def made(first: int = 0) -> Recovery[int]:
    return Recovery(1, "s", first, lambda _: 1)


class Channel(RuleBasedStateMachine):
    """A publisher that forgets, and a channel that loses, reorders and repeats; the reader has little room."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: Sent[int] = Sent(12, 10**9)
        self.count = 0
        self.on_the_way: list[int] = []
        self.peer = made()
        self.got: list[int] = []
        self.queue: list[int] = []
        self.now = 0.0
        self.asked: Gap | None = None

    @property
    def room(self) -> int:
        return max(0, 5 - len(self.queue))

    def deliver(self, frames: list[int]) -> None:
        assert len(frames) <= self.room
        self.queue += frames

    @rule(frames=st.integers(1, 40))
    def send(self, frames: int) -> None:
        for _ in range(frames):
            self.sent.add(self.count, 1)
            self.on_the_way.append(self.count)
            self.count += 1

    @rule(data=st.data(), lose=st.booleans(), twice=st.booleans())
    def arrive(self, data, lose: bool, twice: bool) -> None:
        if self.on_the_way:
            number = self.on_the_way[data.draw(st.integers(0, len(self.on_the_way) - 1))]
            if not twice:
                self.on_the_way.remove(number)
            if not lose:
                self.deliver(self.peer.take(number, number, self.room))

    @rule()
    def arrive_all(self) -> None:
        for number in self.on_the_way:
            self.deliver(self.peer.take(number, number, self.room))
        self.on_the_way.clear()

    @rule(count=st.integers(1, 5))
    def read(self, count: int) -> None:
        self.got += self.queue[:count]
        del self.queue[:count]
        self.deliver(self.peer.proceed(self.room))

    @rule()
    def beat(self) -> None:
        if self.count:
            self.deliver(self.peer.beat(self.count - 1, self.room))

    @rule()
    def ask(self) -> None:
        self.now += RETRY_S[-1]
        if (gap := self.peer.question(self.now, self.room)) is not None:
            assert 0 < gap.last - gap.first + 1 <= min(BATCH, self.room)
            self.asked = gap

    @rule(answers=st.booleans(), lose=st.sets(st.integers(0, 5)))
    def answer(self, answers: bool, lose: set[int]) -> None:
        if self.asked is None:
            return
        gap, self.asked = self.asked, None
        if answers:
            for index, (number, frame) in enumerate(self.sent.between(gap.first, gap.last)):
                if index not in lose:
                    self.deliver(self.peer.take(number, frame, self.room, asked=True))
        self.deliver(self.peer.answered(self.now, gap, self.sent.oldest if answers else None, self.room))

    @rule()
    def gone(self) -> None:
        self.deliver(self.peer.abandon(self.room))

    @invariant()
    def in_order_and_once(self) -> None:
        seen = self.got + self.queue
        assert seen == sorted(set(seen))
        assert len(seen) + self.peer.lost == self.peer.next

    @invariant()
    def bounded(self) -> None:
        assert len(self.peer._held) <= SMALL_WINDOW
        assert self.peer._held_bytes == len(self.peer._held)
        assert all(number >= self.peer.next for number in self.peer._held)

    def teardown(self) -> None:
        """The channel heals: everything that was sent ends as read or lost."""
        self.on_the_way.clear()
        for _ in range(2 * self.count + 10):
            self.answer(True, set())
            self.beat()
            self.read(5)
            self.ask()
        assert self.asked is None
        assert self.peer.complete
        assert not self.queue
        assert not self.peer._held
        assert len(self.got) + self.peer.lost == self.count


TestChannel = Channel.TestCase
TestChannel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def asked(peer: Recovery) -> tuple[int, int]:
    gap = peer.question(0.0, 9)
    assert gap is not None
    return gap.first, gap.last


def test_in_order_goes_straight_on() -> None:
    peer = made(7)
    assert [peer.take(number, number, 1) for number in (7, 8, 9)] == [[7], [8], [9]]
    assert (peer.complete, peer.lost, peer.recovered) == (True, 0, 0)


def test_what_comes_early_waits_for_what_is_missing() -> None:
    peer = made()
    assert peer.take(1, 1, 9) == []
    assert asked(peer) == (0, 0)
    assert peer.question(0.0, 9) is None
    assert peer.take(0, 0, 9, asked=True) == [0, 1]
    assert (peer.recovered, peer.complete) == (1, True)


def test_who_does_not_answer_is_asked_less_and_less_often() -> None:
    peer, now, pauses = made(), 0.0, []
    peer.beat(0, 9)
    for _ in range(9):
        while (gap := peer.question(now, 9)) is None:
            now += 0.05
        peer.answered(now, gap, None, 9)
        pauses.append(round(peer._ask_at - now, 3))
    assert pauses == [*RETRY_S, RETRY_S[-1], RETRY_S[-1]]


def test_answers_that_do_not_come_whole_are_asked_for_in_smaller_parts() -> None:
    peer, sizes = made(), []
    peer.beat(10_000, 1000)
    for now, whole in enumerate([True, True, True, False, False, False, False, False, False, False, True]):
        gap = peer.question(4.0 * now, 1000)
        sizes.append(gap.last - gap.first + 1)
        peer.answered(4.0 * now, gap, 0 if whole else None, 1000)
    assert sizes == [16, 32, 64, 128, 64, 32, 16, 8, 4, 2, 1]


def test_a_question_whose_answer_got_lost_is_asked_anew_and_the_late_end_of_the_first_is_none_of_the_second() -> None:
    peer = made()
    peer.beat(99, 1000)
    first = peer.question(0.0, 1000)
    assert peer.take(0, 0, 1000, asked=True) == [0]
    peer.heard_at = 0.4
    assert peer.question(0.8, 1000) is None  # something came a moment ago
    second = peer.question(0.95, 1000)
    assert (second.first, second.last) == (1, 8)
    peer.answered(1.0, first, None, 1000)
    assert peer.question(1.0, 1000) is None
    peer.answered(1.0, second, 0, 1000)
    assert peer.question(2.0, 1000).first == 1


def test_a_publisher_that_forgot_a_great_many_is_counted_at_once() -> None:
    peer = made()
    peer.beat(2**63, 9)
    assert peer.answered(0.0, peer.question(0.0, 9), 2**63, 9) == []
    assert peer.lost == 2**63


def test_what_a_gone_publisher_owes_is_lost_even_where_there_is_no_room_yet() -> None:
    peer = made()
    for number in (1, 3, 5):
        peer.take(number, number, 0)
    assert peer.abandon(0) == []
    assert peer.question(99.0, 5) is None
    assert peer.proceed(2) == [1, 3]
    assert peer.proceed(2) == [5]
    assert (peer.lost, peer.complete) == (3, True)


def test_a_publisher_that_comes_back_goes_on_where_it_was() -> None:
    peer = made()
    peer.take(0, 0, 9)
    peer.abandon(9)
    assert peer.beat(2, 9) == []
    assert asked(peer) == (1, 2)


def test_bytes_held_back_are_bounded(monkeypatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES", 10)
    peer: Recovery[bytes] = Recovery(1, "s", 0, len)
    for number in range(1, 6):
        peer.take(number, bytes(4), 9)
    assert sorted(peer._held) == [1, 2]
    assert peer.take(0, bytes(64), 9) == [bytes(64), bytes(4), bytes(4)]
    assert asked(peer) == (3, 5)


def test_what_is_forgotten_is_counted() -> None:
    peer = made()
    for number in (2, 4):
        peer.take(number, number, 9)
    peer.forget()
    assert (peer.lost, peer.complete) == (5, True)


@pytest.mark.parametrize(("size", "held"), [(60, SMALL_WINDOW), (SMALL_BYTES // 512, WINDOW * 2), (100_000, WINDOW)])
def test_many_small_frames_are_held_back_and_fewer_large_ones(size: int, held: int) -> None:
    peer: Recovery[int] = Recovery(1, "a", 0, lambda _: size)
    for number in range(1, 2 * SMALL_WINDOW):
        peer.take(number, number, 10)
    kept = len(peer._held)
    assert abs(kept - held) <= 1
    assert peer.take(0, 0, 2 * SMALL_WINDOW) == list(range(kept + 1))


def test_what_is_beyond_all_that_is_held_back_is_asked_for() -> None:
    peer = made()
    assert not peer.beyond(peer.next + SMALL_WINDOW - 1)
    assert peer.beyond(peer.next + SMALL_WINDOW)
    peer.take(peer.next + SMALL_WINDOW, 0, 9)
    assert (len(peer._held), peer.top) == (0, peer.next + SMALL_WINDOW)
