"""What ``/metrics`` tells of the functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from weft.flow.metric import Metric, Sample
from weft.flow.stats import spread
from weft.serve.functions.counts import Counts
from weft.serve.functions.hosted import Hosted

_FUNCTION = ("function",)
CALLS = Metric("weft_serve_function_calls_total", "counter", "Calls that ended, by outcome.", (*_FUNCTION, "outcome"))
FAILURES = Metric(
    "weft_serve_function_failures_total",
    "counter",
    "Calls that were not answered, by class of error; those whose body was refused are among them.",
    (*_FUNCTION, "error"),
)
DURATION = Metric(
    "weft_serve_function_duration_seconds",
    "histogram",
    "From a call's arrival in the queue to its end, however it ended; waiting included.",
    _FUNCTION,
)
EMITTED = Metric("weft_serve_function_frames_total", "counter", "Frames that were answered.", _FUNCTION)
WAITING = Metric("weft_serve_function_waiting_calls", "gauge", "Calls that wait.", _FUNCTION)
RUNNING = Metric("weft_serve_function_running_calls", "gauge", "Calls that are worked on.", _FUNCTION)
READY = Metric("weft_serve_function_ready", "gauge", "1 while the function takes calls.", _FUNCTION)

_OUTCOMES = [field.name for field in fields(Counts) if field.name != "emitted"]


def samples(hosted: Iterable[Hosted], step: str = "") -> Iterator[Sample]:
    """As they are now. Those that stand before or behind a model are called ``NAME/STEP``."""
    for one in hosted:
        labels = (f"{one.name}/{step}" if step else one.name,)
        yield from (Sample(CALLS, (*labels, word), float(getattr(one.counts, word))) for word in _OUTCOMES)
        yield from (Sample(FAILURES, (*labels, kind), count) for kind, count in sorted(one.failures.items()))
        yield Sample(DURATION, labels, spread([one.duration]))
        yield Sample(EMITTED, labels, float(one.counts.emitted))
        yield Sample(WAITING, labels, float(one.waiting))
        yield Sample(RUNNING, labels, float(one.running))
        yield Sample(READY, labels, float(one.ready))
