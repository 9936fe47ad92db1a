"""The address at which a process tells its metrics: ``/metrics`` for Prometheus, ``/healthz`` for supervisors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

from weft.core.errors import UsageError
from weft.flow import metric
from weft.flow.http_get import GetServer, Page
from weft.flow.metric import Sample
from weft.flow.metrics import Metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class MetricsServer:
    """Serves the metrics of a process until it is closed.

    Attributes:
        address: as ``host:port``.
    """

    def __init__(self, metrics: Metrics, address: str) -> None:
        """``address`` is ``host:port``; port 0 takes one that is free. Raises UsageError, UnavailableError."""
        self._metrics = metrics
        self._server = GetServer(*parse_address(address), {"/metrics": self._text, "/healthz": self._health})
        metrics.add(self._samples)
        self.address = format_address(*self._server.address)

    def close(self) -> None:
        """Stop serving. The second time nothing happens."""
        self._server.close()

    def _text(self) -> Page:
        return Page(self._metrics.text(), TEXT)

    def _health(self) -> Page:
        """200 unless a pipeline has ended with an error."""
        told = self._metrics.health()
        well = "error" not in told.values()
        body = json.dumps({"status": "ok" if well else "error", "pipelines": told}).encode() + b"\n"
        return Page(body, "application/json", HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)

    def _samples(self) -> Iterator[Sample]:
        for status, count in dict(self._server.counts).items():
            yield Sample(metric.REQUESTS, (str(status),), count)


def parse_address(text: str) -> tuple[str, int]:
    """``host:port``, ``[::1]:port``. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or not port.isdecimal() or int(port) > 65535 or (":" in bare and bare == host):
        raise UsageError(f"'{text}' is no address", cure="write host:port, such as 127.0.0.1:9464")
    return bare, int(port)


def format_address(host: str, port: int) -> str:
    """The address as text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
