"""A recording as a source, at the pace at which its frames came."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from weft.core.clock import monotonic
from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.core.streams import matches_any
from weft.core.units import format_size
from weft.flow.faults import log
from weft.stream.recording import Record, RecordingReader

MAX_SOURCES = 4096
"""Sources whose numbers go on when a recording begins again; beyond that they start over."""


@dataclass(slots=True)
class RecordingCounters:
    """What a recording lacks: records that were damaged, and bytes at its end that make no record."""

    damaged: int = 0
    missing: int = 0


class RecordingSource:
    """The frames of a recording, each with its own stream's and source's name, and with the times they had.

    Args:
        path: the file.
        streams: which streams; names and patterns.
        speed: how many times as fast as they came; 0 is as fast as they are taken.
        loop: begin again at the end. The numbers of the frames go on.
        limit: stop after so many frames.
        without: streams that are left out.
    """

    live = False

    def __init__(
        self,
        path: Path,
        *,
        streams: Sequence[str] = ("**",),
        speed: float = 1.0,
        loop: bool = False,
        limit: int | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.length = limit
        self.counters = RecordingCounters()
        self._path = path
        self._streams = tuple(streams)
        self._speed = speed
        self._loop = loop
        self._without = frozenset(without)
        self._closed = Event()
        RecordingReader(path).close()  # what is no recording is told before anything starts

    def frames(self) -> Iterator[Frame]:
        """The frames. Raises InputError where a recording that is to be repeated has none."""
        count = 0
        numbers = _Numbers()
        while not self._closed.is_set():
            before = count
            for record in self._paced():
                yield numbers.number(record.frame)
                count += 1
                if count == self.length:
                    return
            if not self._loop:
                return
            if count == before and not self._closed.is_set():
                raise InputError("it holds no frame of these streams", where=str(self._path), cure="look at `streams:`")
            numbers.begin_again()

    def close(self) -> None:
        """End ``frames`` at once, also while it waits for the time of the next."""
        self._closed.set()

    def _paced(self) -> Iterator[Record]:
        began = monotonic()
        first: int | None = None
        for record in self._records():
            first = record.arrived_ns if first is None else first
            due = (record.arrived_ns - first) / 1e9 / self._speed if self._speed else 0.0
            wait = began + due - monotonic()
            if self._closed.wait(wait) if wait > 0 else self._closed.is_set():
                return
            yield record

    def _records(self) -> Iterator[Record]:
        with closing(RecordingReader(self._path)) as reader:
            for record in reader:
                stream = record.frame.stream
                if matches_any(self._streams, stream) and stream not in self._without:
                    yield record
            self._tell(reader)

    def _tell(self, reader: RecordingReader) -> None:
        """What a file lacks is told once, however often it is played."""
        counters = self.counters
        if reader.missing and not counters.missing:
            log.warning(
                "%s: its last %s make no whole frame: it was cut off there, or changed",
                self._path,
                format_size(reader.missing),
            )
        if reader.damaged and not counters.damaged:
            log.warning("%s: %d damaged frames were left out", self._path, reader.damaged)
        counters.damaged, counters.missing = reader.damaged, reader.missing


class _Numbers:
    """The numbers of frames that come again: each source goes on where it ended."""

    def __init__(self) -> None:
        self._added: dict[str, int] = {}
        self._highest: dict[str, int] = {}

    def number(self, frame: Frame) -> Frame:
        """Give a frame its number in this pass."""
        if frame.source in self._highest or len(self._highest) < MAX_SOURCES:
            self._highest[frame.source] = max(frame.sequence, self._highest.get(frame.source, 0))
        frame.sequence += self._added.get(frame.source, 0)
        return frame

    def begin_again(self) -> None:
        """The recording starts over."""
        for source, highest in self._highest.items():
            self._added[source] = self._added.get(source, 0) + highest + 1
        self._highest.clear()
