"""Finished spans on their way to a collector: a bounded queue, a thread, and counters. Needs the extra ``otel``."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from weft.flow.faults import log

QUEUE = 8192
"""Spans that wait; what comes then is dropped and counted."""

BATCH = 512
EVERY_S = 1.0
CLOSING_S = 3.0
_SDK = logging.getLogger("opentelemetry")


class _Ear(logging.Handler):
    """Hears what the SDK says: its exporters only return that they failed."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on."""
        self._hear(record.getMessage())


class SpanSender(SpanProcessor):
    """Hands finished spans to an exporter, never waiting for it.

    Attributes:
        sent: spans the collector took.
        dropped: spans that found the queue full.
        refused: spans that could not be sent.
    """

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        """``where`` is the collector's address, for messages."""
        self.sent = self.dropped = self.refused = 0
        self._exporter = exporter
        self._where = where
        self._waiting: deque[ReadableSpan] = deque()
        self._moved = Condition()
        self._closing = self._told = False
        self._ear = _Ear(self._tell)
        self._propagate, _SDK.propagate = _SDK.propagate, False  # said once by us, not for every batch
        _SDK.addHandler(self._ear)
        self._thread = Thread(target=self._work, name="weft:spans", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        with self._moved:
            if len(self._waiting) >= QUEUE or self._closing:
                self.dropped += 1
                return
            self._waiting.append(span)
            if len(self._waiting) == BATCH:
                self._moved.notify()

    def shutdown(self) -> None:
        """Send what waits, for ``CLOSING_S`` at most; the rest is dropped. The second time nothing happens."""
        with self._moved:
            if self._closing:
                return
            self._closing = True
            self._moved.notify()
        self._thread.join(CLOSING_S)
        self._exporter.shutdown()  # ends its waiting between two tries, too
        self._thread.join(CLOSING_S)
        with self._moved:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        _SDK.removeHandler(self._ear)
        _SDK.propagate = self._propagate
        if lost := self.dropped + self.refused:
            log.warning("%d of %d spans did not reach %s", lost, lost + self.sent, self._where)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Not needed here: whatever waits is sent within a second."""
        return True

    # --- its thread ----------------------------------------------------------------------

    def _work(self) -> None:
        while batch := self._next():
            if self._send(batch):
                self.sent += len(batch)
                self._told = False
            else:
                self.refused += len(batch)
                self._tell("it does not take them")

    def _next(self) -> list[ReadableSpan]:
        """What is to be sent next, waiting for it; nothing when it is over."""
        with self._moved:
            while True:
                self._moved.wait_for(lambda: self._closing or len(self._waiting) >= BATCH, EVERY_S)
                if self._waiting or self._closing:
                    return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _send(self, batch: list[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - anybody's exporter; the thread must go on
            self._tell(f"{type(error).__name__}: {error}")
            return False

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            log.warning("spans cannot be sent to %s (told once; they are counted): %s", self._where, why)
