"""What ``/metrics`` tells of the functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from weft.flow.metric import Metric, Sample
from weft.serve.functions.counts import Counts
from weft.serve.functions.hosted import Hosted

_FUNCTION = ("function",)
CALLS = Metric("weft_serve_function_calls_total", "counter", "Calls that ended, by outcome.", (*_FUNCTION, "outcome"))
EMITTED = Metric("weft_serve_function_frames_total", "counter", "Frames that were answered.", _FUNCTION)
WAITING = Metric("weft_serve_function_waiting_calls", "gauge", "Calls that wait.", _FUNCTION)
RUNNING = Metric("weft_serve_function_running_calls", "gauge", "Calls that are worked on.", _FUNCTION)
READY = Metric("weft_serve_function_ready", "gauge", "1 while the function takes calls.", _FUNCTION)

_OUTCOMES = [field.name for field in fields(Counts) if field.name != "emitted"]


def samples(hosted: Iterable[Hosted]) -> Iterator[Sample]:
    """As they are now."""
    for one in hosted:
        labels = (one.name,)
        yield from (Sample(CALLS, (*labels, word), float(getattr(one.counts, word))) for word in _OUTCOMES)
        yield Sample(EMITTED, labels, float(one.counts.emitted))
        yield Sample(WAITING, labels, float(one.waiting))
        yield Sample(RUNNING, labels, float(one.running))
        yield Sample(READY, labels, float(one.ready))
