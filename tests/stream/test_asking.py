"""Requests wait their turn, are bounded, and always end."""

from __future__ import annotations

import threading

import pytest

from weft.core.errors import GuestFailed, NotFoundError, PipelineError
from weft.core.frame import Frame
from weft.stream.asking import MAX_WAITING, AnswerThread, Reply

WAIT_S = 20.0


def test_more_than_fit_are_refused_and_the_rest_is_answered_in_order() -> None:
    go, begun, outcomes = threading.Event(), threading.Event(), []

    def slow(frame: Frame) -> Frame:
        begun.set()
        assert go.wait(WAIT_S)
        return frame

    closed = []
    answering = AnswerThread("a", slow, closed.append)
    answering.take(Frame(b"", sequence=0), outcomes.append)
    assert begun.wait(WAIT_S)
    for number in range(1, MAX_WAITING + 3):
        answering.take(Frame(b"", sequence=number), outcomes.append)
    assert [type(found) for found in outcomes] == [PipelineError, PipelineError]
    assert answering.refused == 2
    answering.close()
    answering.close()
    answering.take(Frame(b""), outcomes.append)
    assert isinstance(outcomes[2], NotFoundError)
    go.set()
    answering._thread.join(WAIT_S)
    assert [found.sequence for found in outcomes[3:]] == list(range(MAX_WAITING + 1))
    assert closed == [answering]


def test_work_that_fails_in_any_way_is_an_answer() -> None:
    outcomes: list[object] = []
    answering = AnswerThread("a", lambda frame: {}[frame.source], lambda _: None)
    answering.take(Frame(b""), outcomes.append)
    answering.close()
    answering._thread.join(WAIT_S)
    assert isinstance(outcomes[0], GuestFailed)
    assert "KeyError" in str(outcomes[0])


def test_the_first_answer_counts_and_none_is_told() -> None:
    reply = Reply("a", 0.01)
    with pytest.raises(NotFoundError, match=r"nobody answered within 0\.01 s"):
        reply.wait()
    reply.give(Frame(b"1"))
    reply.give(Frame(b"2"))
    assert reply.wait().payload == b"1"
