"""Whether a process records traces and where they go: ``--trace``, or the environment as OpenTelemetry defines it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weft.core.errors import UnavailableError, UsageError
from weft.flow.faults import log
from weft.flow.functions import models

if TYPE_CHECKING:
    from weft.flow.spans import Spans

INSTALL = "pip install 'weft[otel]'"
PATH = "/v1/traces"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXAMPLE = "--trace otlp=http://localhost:4318"


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """Traces are recorded.

    Attributes:
        endpoint: where spans are posted to; empty: where the environment says, or http://localhost:4318.
        ratio: the share of frames that are recorded.
        demanded: somebody said so here; the environment alone ends no pipeline for want of a package.
    """

    endpoint: str = ""
    ratio: float = 1.0
    demanded: bool = True

    @property
    def where(self) -> str:
        """The collector, for messages: without what a URL may hold of secrets."""
        named = self.endpoint or next(filter(None, map(os.environ.get, _ENDPOINTS)), "") or "http://localhost:4318"
        url = urlsplit(named)
        return f"{url.scheme}://{url.hostname}:{url.port}" if url.port else f"{url.scheme}://{url.hostname}"


def trace_options(text: str | None, ratio: float | None) -> TraceOptions | None:
    """What ``--trace`` and ``--trace-ratio`` say, or else the environment; None: nothing is recorded.

    Raises UsageError.
    """
    if ratio is not None and not 0 < ratio <= 1:
        raise UsageError(f"--trace-ratio {ratio:g}", cure="a share of all frames: more than 0, at most 1")
    if text is not None:
        return TraceOptions(_endpoint(text), 1.0 if ratio is None else ratio)
    if _environment_asks():
        return TraceOptions("", 1.0 if ratio is None else ratio, demanded=False)
    if ratio is not None:
        raise UsageError("--trace-ratio: nothing is traced", cure=f"add {_EXAMPLE}")
    return None


@contextmanager
def tracing(options: TraceOptions | None) -> Iterator[Spans | None]:
    """Spans for the pipelines of the block, sent in the end; None where nothing is recorded.

    Raises UnavailableError without the extra ``otel``, and UsageError for a protocol other than HTTP.
    """
    spans = None if options is None else _open(options)
    if spans is None:
        yield None
        return
    watch = models().watch
    watch.tell = spans.inferred
    try:
        yield spans
    finally:
        watch.tell = None
        spans.close()


def _open(options: TraceOptions) -> Spans | None:
    try:
        _check_protocol(options)
        return _made(options)
    except (UnavailableError, UsageError) as error:
        if options.demanded:
            raise
        log.warning("the environment asks for traces, and none are recorded: %s", error)
        return None


def _made(options: TraceOptions) -> Spans:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from weft.flow.spans import Spans
    except ImportError as error:
        raise UnavailableError("traces need OpenTelemetry, which is not installed", cure=INSTALL) from error
    exporter = OTLPSpanExporter(endpoint=options.endpoint or None)
    return Spans(exporter, where=options.where, ratio=options.ratio)


def _endpoint(text: str) -> str:
    kind, _, address = text.partition("=")
    if kind != "otlp":
        raise UsageError(f"--trace {kind}: traces go out as otlp", cure=f"write {_EXAMPLE}")
    if not address:
        return ""
    try:
        url = urlsplit(address)
        sound = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError("--trace: that is no address of a collector", cure=f"write {_EXAMPLE}")
    if url.username or url.password:
        cure = "set OTEL_EXPORTER_OTLP_HEADERS=authorization=…"
        raise UsageError("--trace: no passwords on the command line, where others can read them", cure=cure)
    return address if url.path.endswith(PATH) else address.rstrip("/") + PATH


def _environment_asks() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",")
    return "otlp" in map(str.strip, exporters) and any(map(os.environ.get, _ENDPOINTS))


def _check_protocol(options: TraceOptions) -> None:
    named = next(filter(None, map(os.environ.get, _PROTOCOLS)), "http/protobuf")
    if not options.endpoint and named != "http/protobuf":
        cure = f"set {_PROTOCOLS[0]}=http/protobuf and the collector's HTTP address, mostly port 4318"
        raise UsageError(f"{_PROTOCOLS[0]} is {named}, and Weft sends over HTTP", cure=cure)
