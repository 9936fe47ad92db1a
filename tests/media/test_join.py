"""Join: every picture leaves once, in order, with its results where they came in time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weft.core.frame import Frame
from weft.media.join import Join, Joined


def frame(sequence: int, stream: str) -> Frame:
    return Frame(b"{}", stream=stream, sequence=sequence)


def short(joined: list[Joined]) -> list[tuple[int, list[str]]]:
    return [(picture.sequence, [result.stream for result in results]) for picture, results in joined]


def test_a_picture_waits_for_its_result() -> None:
    join = Join(["a"])
    assert join.picture(frame(0, "p")) == []
    assert short(join.result(frame(0, "a"))) == [(0, ["a"])]


def test_a_result_may_come_before_its_picture() -> None:
    join = Join(["a"])
    assert join.result(frame(0, "a")) == []
    assert short(join.picture(frame(0, "p"))) == [(0, ["a"])]


def test_a_higher_result_lets_pictures_without_one_go() -> None:
    join = Join(["a"])
    for sequence in range(3):
        join.picture(frame(sequence, "p"))
    assert short(join.result(frame(2, "a"))) == [(0, []), (1, []), (2, ["a"])]
    assert (join.counters.joined, join.counters.bare) == (1, 2)


def test_every_named_results_stream_is_waited_for() -> None:
    join = Join(["a", "b"])
    join.picture(frame(0, "p"))
    assert join.result(frame(0, "a")) == []
    assert short(join.result(frame(0, "b"))) == [(0, ["a", "b"])]


def test_streams_that_were_not_named_count_from_their_first_result() -> None:
    join = Join()
    join.picture(frame(0, "p"))
    assert short(join.result(frame(0, "a"))) == [(0, ["a"])]
    join.picture(frame(1, "p"))
    assert join.result(frame(0, "b")) == []
    assert join.counters.late == 1
    assert join.result(frame(1, "a")) == []
    assert short(join.result(frame(1, "b"))) == [(1, ["a", "b"])]


def test_a_full_buffer_lets_the_oldest_go_and_counts_it() -> None:
    join = Join(["a"], capacity=2)
    join.picture(frame(0, "p"))
    join.picture(frame(1, "p"))
    assert short(join.picture(frame(2, "p"))) == [(0, [])]
    assert (join.counters.hurried, join.waiting) == (1, 2)
    assert join.result(frame(0, "a")) == []
    assert join.counters.late == 1


def test_results_without_pictures_are_bounded_and_counted() -> None:
    join = Join(capacity=3)
    for sequence in range(100):
        join.result(frame(sequence, "a"))
    assert join.counters.orphans == 100 - 12
    assert join.flush() == []
    assert join.counters.orphans == 100


def test_the_rest_comes_with_flush() -> None:
    join = Join(["a", "b"])
    join.picture(frame(0, "p"))
    join.picture(frame(1, "p"))
    join.result(frame(0, "a"))
    assert short(join.flush()) == [(0, ["a"]), (1, [])]
    assert join.waiting == 0


STREAMS = ["a", "b", "c"]


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[tuple[str, int]], int]:
    """Pictures and results, each stream in its order (results with gaps), mixed in any way; and a capacity."""
    pictures = [("p", sequence) for sequence in sorted(draw(st.sets(st.integers(0, 30))))]
    names = STREAMS[: draw(st.integers(0, 3))]
    lanes = [[(name, sequence) for sequence in sorted(draw(st.sets(st.integers(0, 30))))] for name in names]
    lanes.append(pictures)
    mixed: list[tuple[str, int]] = []
    while any(lanes):
        lane = draw(st.sampled_from([lane for lane in lanes if lane]))
        mixed.append(lane.pop(0))
    return mixed, draw(st.integers(1, 40))


@given(runs(), st.booleans())
def test_pictures_leave_once_and_in_order_with_no_result_of_another(
    run: tuple[list[tuple[str, int]], int], named: bool
) -> None:
    events, capacity = run
    used = {stream for stream, _ in events} - {"p"}
    join = Join(sorted(used) if named else (), capacity=capacity)
    out: list[Joined] = []
    for stream, sequence in events:
        out += (join.picture if stream == "p" else join.result)(frame(sequence, stream))
        assert join.waiting <= capacity
    out += join.flush()
    assert [picture.sequence for picture, _ in out] == [sequence for stream, sequence in events if stream == "p"]
    assert all(result.sequence == picture.sequence for picture, results in out for result in results)
    counters = join.counters
    drawn = sum(len(results) for _, results in out)
    assert drawn + counters.late + counters.orphans == sum(1 for stream, _ in events if stream != "p")
    assert counters.joined + counters.bare == len(out)
    if named and capacity == 40:
        wanted = {event for event in events if event[0] != "p" and ("p", event[1]) in events}
        assert {(result.stream, result.sequence) for _, results in out for result in results} == wanted
        assert counters.hurried == counters.late == 0


def test_results_of_another_source_are_left_out():
    join = Join(["boxes"])
    early = Frame(b"{}", stream="boxes", source="b", sequence=0)
    own = Frame(b"{}", stream="boxes", source="a", sequence=0)
    assert join.result(early) == []
    assert join.result(own) == []
    picture = Frame(b"x", stream="cam", source="a", sequence=0)
    assert join.picture(picture) == [(picture, (own,))]
    assert join.result(Frame(b"{}", stream="boxes", source="b", sequence=1)) == []
    assert (join.counters.joined, join.counters.orphans) == (1, 2)
