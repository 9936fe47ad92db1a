"""What every place in which streams are shared keeps to."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.stream.conftest import Connect
from weft.core.clock import monotonic
from weft.core.errors import InputError, NotFoundError, PipelineError, UsageError
from weft.core.frame import Frame
from weft.stream import recovery
from weft.stream.base import MAX_PAYLOAD, Delivery, PublishOptions, Streams, SubscribeOptions, Subscription

WAIT_S = 20.0
RELIABLE = PublishOptions("reliable")
LATEST = PublishOptions("reliable", latest=True)


def frame(number: int, text: str = "") -> Frame:
    return Frame(
        text.encode() or str(number).encode(), media_type="text/plain", source="s", sequence=number, time_ns=number
    )


def read(subscription, count: int) -> list[Frame]:
    found = []
    for _ in range(count):
        got = subscription.get(WAIT_S)
        assert got is not None, f"only {len(found)} of {count} came: {subscription.counters}"
        found.append(got)
    return found


def come(subscription, count: int) -> list[Frame]:
    """So many live frames, or those of them that come."""
    found: list[Frame] = []
    while len(found) < count and (got := subscription.get(1.0)) is not None:
        found.append(got)
    return found


def test_a_frame_arrives_as_it_was_sent(place: Connect) -> None:
    with_headers = Frame(
        b"\x00\xff", media_type="a/b", source="cam", sequence=7, time_ns=-5, headers={"k": "v", "ü": ""}
    )
    subscription = place().subscribe(["cam/1"])
    publisher = place().publish("cam/1", LATEST)
    publisher.put(with_headers)
    (got,) = read(subscription, 1)
    assert (got.payload, got.media_type, got.stream, got.source) == (b"\x00\xff", "a/b", "cam/1", "cam")
    assert (got.sequence, got.time_ns, dict(got.headers)) == (7, -5, {"k": "v", "ü": ""})


def test_patterns_choose_streams(place: Connect) -> None:
    there, here = place(), place()
    one, all_of = here.subscribe(["cam/*"]), here.subscribe(["**"])
    for name in ("cam/1", "cam/1/small", "labels"):
        there.publish(name, LATEST).put(frame(0, name))
    assert sorted(got.stream for got in read(all_of, 3)) == ["cam/1", "cam/1/small", "labels"]
    assert [got.stream for got in read(one, 1)] == ["cam/1"]
    assert one.get(0.05) is None


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is held back at the receiving end: what does not fit there stays with the publisher."""
    monkeypatch.setattr(recovery, "SMALL_WINDOW", 256)


def fill(there: Streams, subscription: Subscription) -> None:
    """Return when what was sent on ``run/a`` has come to one who reads ``run/*`` and has no room for all of it.

    A subscription has a thread of its own: what comes to another one says nothing of it. A live frame that comes here,
    behind the others, finds no room beside them, and is counted. It may be lost, so there are several.
    """
    marker, paced = there.publish("run/mark"), threading.Event()
    deadline = monotonic() + WAIT_S
    while not subscription.counters["dropped"]:
        assert monotonic() < deadline, subscription.counters
        marker.put(frame(0))
        paced.wait(0.05)


def numbers(subscription: Subscription, last: int) -> list[int]:
    """The frames of ``run/a`` up to a number; a mark may find room later."""
    found: list[int] = []
    while not found or found[-1] != last:
        (got,) = read(subscription, 1)
        found += [got.sequence] if got.stream == "run/a" else []
    return found


@pytest.mark.usefixtures("narrow")
def test_reliable_frames_all_come_in_order_to_a_reader_that_is_slower_than_its_queue(place: Connect) -> None:
    there, here = place(), place()
    subscription = here.subscribe(["run/*"], SubscribeOptions(queue=4))
    publisher = there.publish("run/a", LATEST)
    publisher.put(frame(0))
    assert read(subscription, 1)[0].sequence == 0
    for number in range(1, 600):
        publisher.put(frame(number))
    fill(there, subscription)
    assert numbers(subscription, 599) == list(range(1, 600))
    assert subscription.counters["lost"] == 0
    assert subscription.counters["recovered"] > 0


@pytest.mark.usefixtures("narrow")
def test_what_a_reliable_publisher_no_longer_keeps_is_counted_as_lost(place: Connect) -> None:
    there, here = place(), place()
    subscription = here.subscribe(["run/*"], SubscribeOptions(queue=2))
    publisher = there.publish("run/a", replace(LATEST, keep=10))
    publisher.put(frame(0))
    assert read(subscription, 1)[0].sequence == 0
    for number in range(1, 600):
        publisher.put(frame(number))
    fill(there, subscription)
    seen = [0, *numbers(subscription, 599)]
    assert seen == sorted(seen)
    assert subscription.counters["lost"] == 600 - len(seen) > 0


@pytest.mark.parametrize("delivery", ["live", "reliable"])
def test_small_frames_put_as_fast_as_it_goes_come_as_they_were(place: Connect, delivery: Delivery) -> None:
    """Over a network many travel in one message; a large one between them, and other headers, keep their place."""
    there, here = place(), place()
    subscription = here.subscribe(["a"], SubscribeOptions(queue=4000))
    publisher = there.publish("a", replace(LATEST, delivery=delivery, keep=4000))
    publisher.put(frame(0))
    read(subscription, 1)
    sent = [Frame(bytes([number % 256]) * (number % 70), sequence=number, time_ns=number) for number in range(1, 3000)]
    for number in range(100, 3000, 100):
        sent[number - 1] = Frame(bytes(9000), sequence=number, time_ns=number)
        sent[number - 2] = Frame(b"", sequence=number - 1, time_ns=number - 1, headers={"number": str(number)})
    got = []
    for at in range(0, len(sent), 300):
        for each in sent[at : at + 300]:
            publisher.put(each)
        got += read(subscription, len(sent[at : at + 300])) if delivery == "reliable" else come(subscription, 300)
    if delivery == "live":  # a link that is busy may drop some
        assert len(got) > len(sent) / 2
        came = {one.sequence for one in got}
        sent = [one for one in sent if one.sequence in came]
    assert [(one.sequence, one.time_ns, one.payload, dict(one.headers)) for one in got] == [
        (one.sequence, one.time_ns, one.payload, dict(one.headers)) for one in sent
    ]


def test_live_frames_push_older_ones_out(place: Connect) -> None:
    subscription = place().subscribe(["a"], SubscribeOptions(queue=3, latest=False))
    publisher = place().publish("a")
    sync(subscription, publisher)
    for number in range(1, 50):
        publisher.put(frame(number))
    seen = []
    while not seen or seen[-1] != 49:
        seen += [got.sequence for got in read(subscription, 1)]
    counters = subscription.counters
    assert seen == sorted(seen)
    assert len(seen) + counters["dropped"] == 49
    assert counters["lost"] == 0


def sync(subscription, publisher) -> None:
    """Live frames go to whoever is there: publish until the first one comes."""
    got = None
    while got is None:
        publisher.put(frame(0))
        got = subscription.get(0.1)
    while subscription.get(0.2) is not None:
        pass


def test_the_first_frame_of_a_publisher_comes_to_who_is_there(place: Connect) -> None:
    there, here = place(), place()
    subscription = here.subscribe(["**"], SubscribeOptions(latest=False))
    sync(subscription, there.publish("start"))
    for number in range(40):
        publisher = there.publish(f"new/{number}")
        publisher.put(frame(number))
        assert [got.sequence for got in read(subscription, 1)] == [number]
        publisher.close()
        assert subscription.get(0.03) is None  # the link is idle again


def test_who_comes_late_gets_the_last_value_of_a_stream_that_keeps_it(place: Connect) -> None:
    there = place()
    kept, other = there.publish("kept", PublishOptions(latest=True)), there.publish("other")
    for number in range(3):
        kept.put(frame(number))
        other.put(frame(number))
    late = place().subscribe(["kept", "other"])
    assert [(got.stream, got.sequence) for got in read(late, 1)] == [("kept", 2)]
    assert late.get(0.1) is None
    without = place().subscribe(["kept"], SubscribeOptions(latest=False))
    assert without.get(0.1) is None


def test_who_comes_after_many_small_frames_gets_the_last_of_them(place: Connect) -> None:
    there, here = place(), place()
    subscription = here.subscribe(["a"], SubscribeOptions(queue=2000))
    publisher = there.publish("a", LATEST)
    for number in range(1000):
        publisher.put(frame(number))
    assert [got.sequence for got in read(subscription, 1000)] == list(range(1000))  # none is on its way any more
    late = place().subscribe(["a"])
    assert [got.sequence for got in read(late, 1)] == [999]
    assert late.get(0.1) is None


def test_a_closed_publisher_is_still_asked_for_what_it_sent(place: Connect) -> None:
    subscription = place().subscribe(["a"], SubscribeOptions(queue=4))
    publisher = place().publish("a", LATEST)
    publisher.put(frame(0))
    assert read(subscription, 1)
    for number in range(1, 60):
        publisher.put(frame(number))
    publisher.close()
    assert [got.sequence for got in read(subscription, 59)] == list(range(1, 60))
    with pytest.raises(UsageError, match="closed"):
        publisher.put(frame(60))


def test_closing_ends_the_reader(place: Connect) -> None:
    subscription = place().subscribe(["a"])
    ended = threading.Event()
    reader = threading.Thread(target=lambda: (list(subscription), ended.set()))
    reader.start()
    subscription.close()
    assert ended.wait(WAIT_S)
    reader.join()
    subscription.close()


def test_a_request_is_answered(place: Connect) -> None:
    there, here = place(), place()
    answering = there.answer(
        "echo", lambda asked: asked.derive(asked.payload.upper(), media_type="text/plain", stream="")
    )
    answer = here.ask("echo", Frame(b"hello", sequence=5), WAIT_S)
    assert (answer.payload, answer.sequence) == (b"HELLO", 5)
    answering.close()


def test_a_request_that_fails_says_why(place: Connect) -> None:
    def fail(_: Frame) -> Frame:
        raise ValueError("no such thing")

    there = place()
    there.answer("bad", fail)
    with pytest.raises(PipelineError, match="no such thing"):
        place().ask("bad", Frame(b""), WAIT_S)


def test_a_request_nobody_answers_is_told(place: Connect) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        place().ask("silence", Frame(b""), 0.3)


def test_streams_are_known_while_they_are_published(place: Connect) -> None:
    there, here = place(), place()
    there.publish("b", LATEST)
    first = there.publish("a")
    there.publish("a")
    while len(here.known()) < 2 or here.known()[0].publishers < 2:
        pass  # it is told to others in its own time
    assert [(info.name, info.delivery, info.latest, info.publishers) for info in here.known()] == [
        ("a", "live", False, 2),
        ("b", "reliable", True, 1),
    ]
    first.close()
    while here.known()[0].publishers > 1:
        pass
    assert [info.publishers for info in here.known()] == [1, 1]


def test_two_publishers_of_one_stream_are_each_kept_in_order(place: Connect) -> None:
    subscription = place().subscribe(["a"], SubscribeOptions(queue=8))
    publishers = [place().publish("a", LATEST) for _ in range(2)]
    for index, publisher in enumerate(publishers):
        publisher.put(frame(0, f"{index}"))
    read(subscription, 2)
    for number in range(1, 40):
        for index, publisher in enumerate(publishers):
            publisher.put(frame(number, f"{index}"))
    got = read(subscription, 78)
    for index in (b"0", b"1"):
        assert [found.sequence for found in got if found.payload == index] == list(range(1, 40))


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "a b", "a#", "a/@b", "*", "ä?"])
def test_what_is_no_stream_name_is_refused(place: Connect, name: str) -> None:
    with pytest.raises(UsageError, match="no stream name"):
        place().publish(name)


@pytest.mark.parametrize("pattern", ["", "/a", "**/a", "a**", "a/@b", "a b"])
def test_what_is_no_pattern_is_refused(place: Connect, pattern: str) -> None:
    with pytest.raises(UsageError, match="no stream pattern"):
        place().subscribe([pattern])


def test_a_frame_over_the_limit_is_refused_where_it_is_sent(place: Connect) -> None:
    with pytest.raises(InputError, match=r"64\.0 MiB at most"):
        place().publish("a").put(Frame(bytes(MAX_PAYLOAD + 1)))
