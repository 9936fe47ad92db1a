"""Sharing frames among members: the two sides against each other, over a link that loses what it is told to lose."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.frame import Frame
from weft.stream.share import EMPTY_S, MOST_MOVES, Note, Share, total
from weft.stream.taking import Taking
from weft.stream.wire import AGAIN, RELIABLE

PUBLISHER = 7


class Site:
    """A publisher and its members; what is sent waits until it is carried."""

    def __init__(self, *, reliable: bool = True, keyed: bool = False, keep: int = 1000) -> None:
        self.now = 100.0
        self.flags = RELIABLE * reliable
        self.offered = 0
        self.done: list[int] = []
        self.members: dict[int, Taking] = {}
        self.links: dict[int, deque[tuple[int, Frame, bool] | Note]] = {}
        self.due: set[int] = set()
        self.share: Share[Frame] = Share(
            keyed=keyed, reliable=reliable, keep=keep, keep_bytes=10**6, send=self._send, tell=self._tell
        )

    def join(self, ident: int, window: int = 4) -> Taking:
        self.links[ident] = deque()
        self.members[ident] = Taking(window, lambda _: self.due.add(ident))
        self.share.join(ident, window, self.now)
        return self.members[ident]

    def leave(self, ident: int) -> None:
        del self.members[ident], self.links[ident]
        self.share.leave(ident, self.now)

    def offer(self, count: int = 1, key: str = "") -> None:
        for _ in range(count):
            self.share.offer(Frame(b"12345678", source=key, sequence=self.offered), key, 8, self.now)
            self.offered += 1

    def carry(self, ident: int, *, lose: bool = False) -> None:
        """One message arrives, or is lost."""
        if self.links[ident]:
            message = self.links[ident].popleft()
            if lose:
                return
            if isinstance(message, Note):
                self.members[ident].note(PUBLISHER, message)
            else:
                number, frame, again = message
                self.members[ident].take(PUBLISHER, number, frame, self.flags | AGAIN * again)

    def carry_all(self) -> None:
        for ident, link in self.links.items():
            while link:
                self.carry(ident)

    def work(self, ident: int) -> int | None:
        """A member does one frame."""
        found = self.members[ident].receive(0)
        if found is None:
            return None
        self.members[ident].delivered(found[1])
        self.done.append(found[0].sequence)
        return found[0].sequence

    def report(self, ident: int) -> None:
        if (report := self.members[ident].report(PUBLISHER)) is not None:
            self.share.heard(ident, report, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.share.look(self.now)

    def settle(self) -> None:
        """Everything goes well until nothing is left to do."""
        for _ in range(500):
            self.carry_all()
            for ident in self.members:
                while self.work(ident) is not None:
                    pass
                self.report(ident)
            self.wait(0.2)
            if not self.share.unfinished:
                return
        raise AssertionError("it never ends")

    def _send(self, ident: int, number: int, frame: Frame, again: bool) -> None:
        if ident in self.links:
            self.links[ident].append((number, frame, again))

    def _tell(self, ident: int, note: Note, overtake: bool) -> None:
        if ident in self.links:
            (self.links[ident].appendleft if overtake else self.links[ident].append)(note)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "carry", "lose", "work", "report", "wait", "leave", "join"]), st.integers(0, 3)
    ),
    max_size=120,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, keyed=st.booleans())
def test_whatever_is_lost_and_whoever_dies_every_frame_is_done(steps: list[tuple[str, int]], keyed: bool) -> None:
    site = Site(keyed=keyed)
    died = False
    for ident in range(3):
        site.join(ident)
    new = 10
    for step, which in steps:
        idents = sorted(site.members)
        ident = idents[which % len(idents)] if idents else None
        if step == "offer":
            site.offer(1, f"k{which}" if keyed else "")
        elif step == "wait":
            site.wait(0.05 * which)
        elif step == "join" and len(idents) < 5:
            site.join(new)
            new += 1
        elif ident is not None and step == "leave" and len(idents) > 1:
            site.leave(ident)
            died = True
        elif ident is not None and step in ("carry", "lose"):
            site.carry(ident, lose=step == "lose")
        elif ident is not None and step in ("work", "report"):
            getattr(site, step)(ident)
    if not site.members:
        site.join(new)
    moved = site.share.moved
    site.settle()
    gone = site.share.lost
    assert len(set(range(site.offered)) - set(site.done)) <= gone
    assert gone == 0 or died
    if not moved and not site.share.moved:
        assert sorted(site.done) == list(range(site.offered))
    assert total([site.share])["given"] >= site.offered - gone


def test_by_key_order_is_kept_when_a_member_joins() -> None:
    site = Site(keyed=True)
    site.join(0, window=100)
    for _ in range(4):
        for key in range(10):
            site.offer(1, f"k{key}")
    site.join(1, window=100)
    for _ in range(4):
        for key in range(10):
            site.offer(1, f"k{key}")
    site.carry_all()
    assert site.work(1) is None  # its keys are still being worked on by the other one
    site.settle()
    assert site.share.moved == 0
    assert all(site.done.index(number) < site.done.index(number + 10) for number in range(70))


def test_a_silent_member_is_done_without_until_it_answers() -> None:
    site = Site()
    one, other = site.join(0), site.join(1)
    site.offer(8)
    site.carry_all()
    site.report(0)
    site.report(1)
    for _ in range(10):
        site.wait(0.1)
        while site.links[1]:
            site.carry(1)
        site.report(1)
    assert site.work(1) is not None
    site.report(1)
    assert site.share.moved == 1  # the other one had no room before
    site.carry(0)  # it wakes up; the question that overtakes comes first
    assert one.withdrawn == 4
    assert one.receive(0) is None
    site.settle()
    assert sorted(site.done) == list(range(8))
    assert one.again + other.again == 4
    site.offer(8)
    site.carry_all()
    assert one.in_hand == 4


def test_who_asks_for_nothing_hears_nothing() -> None:
    site = Site()
    site.join(0)
    site.carry_all()
    assert not site.share.look(site.now + 100)
    assert not site.links[0]


def test_what_waits_for_nobody_is_kept_for_a_while() -> None:
    site = Site()
    site.join(0)
    site.offer(2)
    site.leave(0)
    site.wait(EMPTY_S - 1)
    site.join(1)
    site.settle()
    assert site.done == [0, 1]
    site.leave(1)
    site.offer(3)
    site.wait(EMPTY_S + 1)
    site.join(2)
    site.settle()
    assert site.done == [0, 1]
    assert site.share.lost == 3


def test_a_frame_that_no_member_survives_is_given_up() -> None:
    site = Site()
    site.join(0)
    site.offer(1)
    for ident in range(MOST_MOVES + 1):
        site.leave(ident)
        site.join(ident + 1)
    assert (site.share.lost, site.share.moved) == (1, MOST_MOVES)
    site.settle()
    assert site.done == []


def test_others_load_counts() -> None:
    site = Site()
    busy, idle = site.join(0), site.join(1)
    for number in range(3):
        busy.take(99, number, Frame(b"", sequence=1000 + number), 0)
    site.carry_all()
    site.report(0)
    site.report(1)
    site.offer(4)
    site.carry_all()
    assert idle.in_hand == 3
    assert busy.in_hand == 4


@pytest.mark.parametrize("count", [1, 5])
def test_of_live_frames_the_newest_is_sent_again_when_it_is_lost_on_its_way(count: int) -> None:
    site = Site(reliable=False)
    site.join(0, window=10)
    site.carry_all()
    site.offer(count)
    for _ in range(count):
        site.carry(0, lose=True)
    site.settle()
    assert site.done == [count - 1]
    assert site.share.dropped == count - 1
