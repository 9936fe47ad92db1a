"""A pipeline watched from outside: its metrics served, its frames traced, and found by ``weft top``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.cli.output import print_line
from weft.cli.streams import say

if TYPE_CHECKING:
    from weft.flow.metrics import Metrics
    from weft.flow.spans import Spans
    from weft.stream.routing import Router

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Watched:
    """``--metrics``, ``--trace`` and ``--trace-ratio``, as they were written."""

    metrics: str | None = None
    """Pipelines: serve metrics for Prometheus at this address, such as 127.0.0.1:9464; port 0 takes a free one."""
    trace: str | None = None
    """Pipelines: record what happens to each frame and send it to a collector, such as otlp=http://localhost:4318."""
    trace_ratio: float | None = None
    """Pipelines: the share of frames that are recorded, such as 0.01 (default 1)."""

    def check(self) -> None:
        """Raises UsageError for what could not be meant, before anything is loaded."""
        if self.metrics is not None:
            from weft.flow.metrics_server import parse_address

            parse_address(self.metrics)
        if self.trace is not None or self.trace_ratio is not None:
            from weft.flow.tracing import trace_options

            trace_options(self.trace, self.trace_ratio)


def teller(form: str) -> Tell:
    """Tells where the metrics are: as a JSON line, or in words."""
    if form == "json":
        return lambda address: print_line({"event": "metrics", "url": f"http://{address}/metrics"})
    return lambda address: say(f"metrics: http://{address}/metrics\n")


@contextmanager
def observed(name: str, watched: Watched, tell: Tell | None) -> Iterator[tuple[Metrics | None, Spans | None]]:
    """What a pipeline's ``run`` takes, for as long as the block runs; nothing is opened that was not asked for.

    Raises UsageError, and UnavailableError for an address that cannot be had or a package that is missing.
    """
    from weft.flow.tracing import trace_options, tracing

    with ExitStack() as stack:
        spans = stack.enter_context(tracing(trace_options(watched.trace, watched.trace_ratio)))
        metrics = None if watched.metrics is None else stack.enter_context(_served(name, watched.metrics, tell))
        if metrics is not None and spans is not None:
            metrics.add(spans.samples)
        yield metrics, spans


@contextmanager
def router_metrics(router: Router, address: str | None) -> Iterator[None]:
    """Serve a router's metrics while the block runs, where an address was given, which is told.

    Raises UsageError, and UnavailableError for an address that cannot be had.
    """
    if address is None:
        yield
        return
    from weft.flow.metrics import Metrics
    from weft.flow.metrics_server import MetricsServer
    from weft.flow.router_metrics import RouterMetrics

    metrics = Metrics()
    metrics.add(RouterMetrics(router).samples)
    server = MetricsServer(metrics, address)
    try:
        teller("text")(server.address)
        yield
    finally:
        server.close()


@contextmanager
def _served(name: str, address: str, tell: Tell | None) -> Iterator[Metrics]:
    from weft.flow.announce import announced
    from weft.flow.metrics import Metrics
    from weft.flow.metrics_server import MetricsServer

    metrics = Metrics()
    server = MetricsServer(metrics, address)
    try:
        with announced(name, server.address):
            if tell is not None:
                tell(server.address)
            yield metrics
    finally:
        server.close()
