"""Groups: what every place in which streams are shared keeps to."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from tests.stream.conftest import Connect
from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.stream import share
from weft.stream.base import Consumer, Group, PublishOptions, SubscribeOptions, Subscription
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams

WAIT_S = 20.0
RELIABLE = PublishOptions("reliable")


def frame(number: int, source: str = "s", **headers: str) -> Frame:
    return Frame(str(number).encode(), source=source, sequence=number, time_ns=number, headers=headers)


def member(place: Connect, pattern: str = "a", queue: int = 8, by: str = "", name: str = "g") -> Subscription:
    return place().subscribe([pattern], SubscribeOptions(queue, group=Group(name, by)))


def gather(members: list[Subscription], count: int) -> list[list[Frame]]:
    """So many frames, from whoever has some. A member that a busy machine kept from answering counts as silent: what
    it had in hand comes once more from another one, marked, and counts once."""
    found: list[list[Frame]] = [[] for _ in members]
    marks: dict[tuple[str, int], bool] = {}
    empty = 0
    while sum(map(len, found)) < count:
        assert empty < WAIT_S / 0.01, f"only {[len(one) for one in found]} of {count} came"
        for one, into in zip(members, found, strict=True):
            if (got := one.get(0.01)) is not None:
                empty = 0
                key, again = (got.stream, got.sequence), "again" in got.headers
                if len(members) > 1 and key in marks:
                    assert again or marks[key], f"{key} came twice"
                    continue
                marks[key] = again
                into.append(got)
            else:
                empty += 1
    return found


def numbers(frames: list[Frame]) -> list[int]:
    return [got.sequence for got in frames]


def met(place: Connect, members: list[Subscription], publisher) -> None:
    """Every member is known to the publisher when this returns."""
    info = []
    while not info or sum(group.members for group in info[0].groups) < len(members):
        info = [found for found in place().known() if found.name == publisher.stream]
    seen: set[int] = set()
    number = 10**6
    while len(seen) < len(members):
        for _ in members:
            publisher.put(frame(number, f"m{number}", zone=f"m{number}"))
            number += 1
        for index, one in enumerate(gather(members, len(members))):
            seen |= {index} if one else set()


def test_each_frame_goes_to_one_member_and_to_every_subscriber_without_a_group(place: Connect) -> None:
    plain = place().subscribe(["*"])
    members = [member(place) for _ in range(3)]
    publisher = place().publish("a", PublishOptions("reliable", latest=True))
    met(place, members, publisher)
    for number in range(60):
        publisher.put(frame(number))
    found = gather(members, 60)
    assert sorted(number for one in found for number in numbers(one)) == list(range(60))
    assert all(one for one in found)
    assert all(numbers(one) == sorted(numbers(one)) for one in found if not any("again" in got.headers for got in one))
    seen = []
    while not seen or seen[-1] != 59:
        got = plain.get(WAIT_S)
        assert got is not None
        seen.append(got.sequence)
    assert seen[-60:] == list(range(60))


def test_two_groups_each_get_every_frame(place: Connect) -> None:
    one, other = member(place, "a", name="one"), member(place, "*", name="other")
    publisher = place().publish("a", RELIABLE)
    for number in range(20):
        publisher.put(frame(number))
    for found in (one, other):
        assert numbers(gather([found], 20)[0]) == list(range(20))


def test_a_frame_comes_as_it_was_sent(place: Connect) -> None:
    one = member(place, "cam/*")
    publisher = place().publish("cam/1", RELIABLE)
    publisher.put(Frame(b"\x00\xff", media_type="a/b", source="s", sequence=7, time_ns=-5, headers={"k": "ü"}))
    got = gather([one], 1)[0][0]
    assert (got.payload, got.media_type, got.stream, got.source) == (b"\x00\xff", "a/b", "cam/1", "s")
    assert (got.sequence, got.time_ns, dict(got.headers)) == (7, -5, {"k": "ü"})


@pytest.mark.parametrize("by", ["source", "zone"])
def test_by_key_the_frames_of_a_source_stay_with_one_member_in_their_order(place: Connect, by: str) -> None:
    members = [member(place, by=by) for _ in range(3)]
    publisher = place().publish("a", RELIABLE)
    met(place, members, publisher)
    for number in range(200):
        key = f"k{number % 20}"
        publisher.put(frame(number, source=key, zone=key))
    found = gather(members, 200)
    assert all(found)
    for number in range(20):
        kept = [[got.sequence for got in one if got.headers["zone"] == f"k{number}"] for one in found]
        assert sorted(kept) == [[], [], list(range(number, 200, 20))]


def test_who_is_slow_gets_less(place: Connect) -> None:
    quick, slow = member(place, queue=4), member(place, queue=4)
    publisher = place().publish("a", RELIABLE)
    met(place, [quick, slow], publisher)
    for number in range(100):
        publisher.put(frame(number))
    held = numbers(gather([quick], 96)[0])
    while (got := quick.get(0.3)) is not None:
        held.append(got.sequence)
    rest = numbers(gather([slow], 100 - len(held))[0])
    assert sorted(held + rest) == list(range(100))
    assert len(rest) <= 4


def test_what_a_member_that_leaves_has_not_done_goes_to_another(place: Connect) -> None:
    first = member(place, queue=16)
    publisher = place().publish("a", RELIABLE)
    for number in range(10):
        publisher.put(frame(number))
    taken = first.receive(WAIT_S)
    assert taken is not None
    assert taken[0].sequence == 0
    second = member(place, queue=16)
    first.close()
    assert numbers(gather([second], 9)[0]) == list(range(1, 10))
    assert first.get(0.01) is None
    first.delivered(taken[1])
    assert second.get(0.3) is None
    assert second.counters["again"] == 9
    publisher.put(frame(10))
    got = second.get(WAIT_S)
    assert got is not None
    assert (got.sequence, "again" in got.headers) == (10, False)


def test_what_a_member_got_last_goes_to_another_when_it_leaves(place: Connect) -> None:
    """It counts as delivered when the next one is asked for, and none is."""
    first = member(place)
    publisher = place().publish("a", RELIABLE)
    for number in range(3):
        publisher.put(frame(number))
    assert numbers(gather([first], 2)[0]) == [0, 1]
    second = member(place)
    first.close()
    assert first.get(0.01) is None
    got = gather([second], 2)[0]
    assert [(one.sequence, one.headers["again"]) for one in got] == [(1, "true"), (2, "true")]
    assert second.get(0.3) is None
    assert first.counters["received"] == 2


def test_what_was_read_and_not_done_goes_to_another_when_the_member_is_gone(place: Connect) -> None:
    here = place()
    first = here.subscribe(["a"], SubscribeOptions(group=Group("g")))
    publisher = place().publish("a", RELIABLE)
    publisher.put(frame(0))
    assert first.receive(WAIT_S) is not None
    second = member(place)
    first.close()
    if hasattr(here, "session"):
        here.session.close()
        got = second.get(WAIT_S)
        assert got is not None
        assert (got.sequence, got.headers["again"]) == (0, "true")


def test_of_live_frames_that_find_everybody_busy_the_newest_wins(place: Connect) -> None:
    one = member(place, queue=2)
    publisher = place().publish("a")
    met(place, [one], publisher)
    assert one.get(0.3) is None
    for number in range(50):
        publisher.put(frame(number))
    seen = numbers(gather([one], 3)[0])
    assert seen == [0, 1, 49]
    assert publisher.groups.counters["dropped"] == 47


def test_reliable_frames_that_find_everybody_busy_wait_within_bounds(place: Connect) -> None:
    one = member(place, queue=2)
    publisher = place().publish("a", PublishOptions("reliable", keep=10))
    met(place, [one], publisher)
    assert one.get(0.3) is None
    for number in range(50):
        publisher.put(frame(number))
    assert numbers(gather([one], 12)[0]) == [0, 1, *range(40, 50)]
    assert publisher.groups.counters["lost"] == 38


def test_large_frames_are_given_as_they_fit_and_all_come(place: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "HAND_BYTES", 10_000)
    members = [member(place, queue=64)]
    publisher = place().publish("a", RELIABLE)
    met(place, members, publisher)
    for number in range(1, 20):
        publisher.put(Frame(bytes(4000), sequence=number, time_ns=number))
    assert publisher.shared["given"] <= 5
    assert numbers(gather(members, 19)[0]) == list(range(1, 20))
    assert (members[0].counters["dropped"], publisher.shared["lost"]) == (0, 0)


def test_a_new_group_gets_the_last_frame_once_where_that_is_kept(place: Connect) -> None:
    publisher = place().publish("a", PublishOptions(latest=True))
    for number in range(3):
        publisher.put(frame(number))
    first = member(place)
    assert numbers(gather([first], 1)[0]) == [2]
    second = member(place)
    assert second.get(0.3) is None
    assert first.get(0.01) is None


def test_groups_are_known_with_their_members(place: Connect) -> None:
    publisher = place().publish("cam/1")
    place().publish("other")
    members = [member(place, "cam/*", by="source") for _ in range(2)]
    here = place()
    found = here.known()
    while not found[0].groups or found[0].groups[0].members < 2:
        found = here.known()
    assert [(group.name, group.by, group.members) for group in found[0].groups] == [("g", "source", 2)]
    assert found[1].groups == ()
    members[0].close()
    while here.known()[0].groups[0].members > 1:
        pass
    publisher.close()


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".a", "@x", "x" * 101])
def test_what_is_no_group_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no group's name"):
        Group(name)


def test_a_header_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="share by"):
        Group("g", "a b")


def test_a_consumer_with_a_name_shares_with_nobody() -> None:
    with pytest.raises(UsageError, match="shares with nobody"):
        SubscribeOptions(consumer=Consumer("c"), group=Group("g"))


def test_a_group_that_is_there_gets_the_first_live_frame_of_a_new_publisher() -> None:
    """However long the thread takes that lets its members join."""
    with closing(ZenohStreams(Link())) as streams:
        taken = streams.subscribe(["a"], SubscribeOptions(group=Group("g")))
        pause = threading.Event()
        streams.keeper.do(lambda: pause.wait(0.2) and None)
        publisher = streams.publish("a")
        publisher.put(frame(1))
        assert numbers(gather([taken], 1)[0]) == [1]


def test_a_member_that_goes_while_it_is_asked_for_does_not_join() -> None:
    with closing(ZenohStreams(Link())) as streams:
        publisher = streams.publish("a")
        token = "weft/site/a/@group/g/0000000000000007/8/0/-"
        publisher.groups._gone = {token}
        publisher.groups._join_found([token, token.replace("7/8", "6/8"), "no token"])
        assert publisher.groups.members == 1
