"""What a publisher keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weft.stream.sent import Sent


@given(st.integers(1, 6), st.integers(1, 60), st.lists(st.integers(0, 30), max_size=30))
def test_it_keeps_the_newest_within_both_bounds(keep: int, keep_bytes: int, sizes: list[int]) -> None:
    sent: Sent[int] = Sent(keep, keep_bytes)
    for number, size in enumerate(sizes):
        sent.add(number, size)
    kept = [number for number, _ in sent.between(0, 10**9)]
    assert kept == list(range(sent.oldest, len(sizes)))
    assert len(kept) <= keep
    assert sum(sizes[number] for number in kept) <= keep_bytes or len(kept) == 1
    assert sent.forgotten == len(sizes) - len(kept)
    assert sent.last == (len(sizes) - 1 if sizes else None)
    more = kept and kept[0] > 0 and len(kept) < keep
    assert not more or sum(sizes[number] for number in kept) + sizes[kept[0] - 1] > keep_bytes


@given(st.integers(-5, 30), st.integers(-5, 2**64))
def test_any_question_is_answered_with_what_is_there(first: int, last: int) -> None:
    sent: Sent[str] = Sent(10, 1000)
    for number in range(20):
        sent.add(str(number), 1)
    assert sent.between(first, last) == [(n, str(n)) for n in range(max(first, 10), min(last, 19) + 1)]


def test_nothing_sent_is_nothing_kept() -> None:
    sent: Sent[str] = Sent(1, 1)
    assert (sent.oldest, sent.last, list(sent.between(0, 5))) == (0, None, [])


MESSAGES = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 30)), max_size=30)


@given(st.integers(1, 20), st.integers(1, 200), MESSAGES, st.integers(-5, 200), st.integers(-5, 200))
def test_messages_of_several_frames_go_as_a_whole(keep, keep_bytes, messages, first: int, last: int) -> None:
    sent: Sent[int] = Sent(keep, keep_bytes)
    numbers, end = [], 0
    for index, (frames, size) in enumerate(messages):
        sent.add(index, size, frames)
        numbers.append(end)
        end += frames
    kept = sent.between(0, end)
    assert kept == [(numbers[index], index) for index in range(len(messages) - len(kept), len(messages))]
    assert sent.oldest == sent.forgotten == (kept[0][0] if kept else 0)
    assert len(kept) < 2 or end - kept[1][0] < keep  # without its oldest message it would keep too few
    assert len(kept) < 2 or sum(messages[index][1] for _, index in kept) <= keep_bytes
    wanted = [(n, index) for n, index in kept if first <= last and n <= last and n + messages[index][0] > first]
    assert sent.between(first, last) == wanted
