"""What happens to a frame, as spans of its trace: reading it, waiting, each function, each model, each sink.

Needs the extra ``otel``. A frame whose trace is recorded carries a ``traceparent`` that says so, and names the span of
the stage it comes from; for every other frame nothing is made here but that decision, once, where it enters.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock, local
from typing import cast

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from weft import __version__
from weft.core.clock import now_ns
from weft.core.errors import WeftError
from weft.core.frame import Frame
from weft.core.traceparent import HEADER, SAMPLED, TraceParent, made_from, read
from weft.flow import metric
from weft.flow.metric import Sample
from weft.flow.span_sender import SpanSender

REMEMBERED = 4096
"""Spans whose end is remembered, to tell how long their frames waited then; the oldest are forgotten."""


class _Ids(RandomIdGenerator):
    """Random numbers for spans; the trace of a frame is the frame's own."""

    def __init__(self) -> None:
        self.next = local()

    def generate_trace_id(self) -> int:
        """The number set for this thread."""
        return cast(int, self.next.trace_id)


class Spans:
    """Makes the spans of a process's pipelines and sends them. Any thread may use it.

    Args:
        exporter: where finished spans go.
        where: its address, for messages.
        ratio: the share of frames that are recorded, of those that come without a decision made elsewhere.
    """

    def __init__(self, exporter: SpanExporter, *, where: str = "", ratio: float = 1.0) -> None:
        self._ratio = ratio
        self._sender = SpanSender(exporter, where)
        self._ids = _Ids()
        # Resource reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which go before what is said here.
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "weft"}
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(named), id_generator=self._ids, shutdown_on_exit=False
        )
        provider.add_span_processor(self._sender)
        self._tracer = provider.get_tracer("weft", __version__)
        self._ended: dict[int, int] = {}
        self._lock = Lock()
        self._working = local()

    def close(self) -> None:
        """Send what is finished; waits for a few seconds at most."""
        self._sender.shutdown()

    def samples(self) -> Iterator[Sample]:
        """What became of the spans, for the metrics."""
        sender = self._sender
        for outcome, count in (("sent", sender.sent), ("dropped", sender.dropped), ("refused", sender.refused)):
            yield Sample(metric.SPANS, (outcome,), count)

    def enter(self, frame: Frame, stage: str, began_ns: int, about: Mapping[str, str]) -> None:
        """A source has read ``frame``: record that, and mark the frame, where its trace is to be recorded."""
        parent = read(frame.headers)
        if parent is None:
            made = made_from(frame.source or stage, frame.sequence, frame.time_ns)
            if not made.within(self._ratio):
                return
            self._ids.next.trace_id = made.trace_id
        elif not parent.sampled:
            return
        span = self._tracer.start_span(
            f"source {stage}",
            context=Context() if parent is None else _inside(parent, remote=True),
            kind=SpanKind.CONSUMER,
            attributes=_attributes(frame, stage, about),
            start_time=began_ns,
        )
        self._end(span)
        mark(frame, span)

    @contextmanager
    def stage(
        self, name: str, frame: Frame, parent: TraceParent, about: Mapping[str, str], *, title: str = ""
    ) -> Iterator[Span]:
        """While the block runs, a stage works on ``frame``; what the frame waited before is a span of its own.

        The span is called ``title``, or else by the stage's name.
        """
        began, inside = now_ns(), _inside(parent)
        left = self._ended.get(parent.span_id)
        if left is not None:
            self._tracer.start_span(f"wait {title or name}", context=inside, start_time=left).end(max(began, left))
        span = self._tracer.start_span(
            title or name, context=inside, attributes=_attributes(frame, name, about), start_time=began
        )
        self._working.span = span
        try:
            yield span
        except WeftError as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, error.what))
            raise
        finally:
            self._working.span = None
            self._end(span)

    def inferred(self, model: str, seconds: float) -> None:
        """A model was run; a span where that was on the thread of a stage at work on a recorded frame."""
        span: Span | None = getattr(self._working, "span", None)
        if span is not None:
            ended = now_ns()
            context = set_span_in_context(span, Context())
            self._tracer.start_span(f"model {model}", context=context, start_time=ended - round(seconds * 1e9)).end(
                ended
            )

    def _end(self, span: Span) -> None:
        ended = now_ns()
        span.end(ended)
        with self._lock:
            self._ended[span.get_span_context().span_id] = ended
            if len(self._ended) > REMEMBERED:
                del self._ended[next(iter(self._ended))]


def mark(frame: Frame, span: Span) -> None:
    """Have ``frame`` say that it comes from ``span``."""
    context = span.get_span_context()
    frame.headers = {**frame.headers, HEADER: str(TraceParent(context.trace_id, context.span_id, SAMPLED))}


def _inside(parent: TraceParent, *, remote: bool = False) -> Context:
    context = SpanContext(parent.trace_id, parent.span_id, remote, TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(context), Context())


def _attributes(frame: Frame, stage: str, about: Mapping[str, str]) -> dict[str, str | int]:
    return {
        **about,
        "weft.stage": stage,
        "weft.stream": frame.stream,
        "weft.source": frame.source,
        "weft.sequence": frame.sequence,
    }
