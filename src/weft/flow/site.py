"""The site that a pipeline's sources and sinks share: joined when the first of them asks, left after the run."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from weft.core.errors import UsageError
from weft.stream.base import Streams
from weft.stream.joining import Joining


class Site:
    """Opens streams once per run, and closes them.

    Attributes:
        join: opens them.
        joining: how, where a document says it.
    """

    def __init__(self, join: Callable[[], Streams], joining: Joining | None = None) -> None:
        self.join = join
        self.joining = joining
        self._lock = Lock()
        self._streams: Streams | None = None

    def streams(self) -> Streams:
        """The site's streams; whoever asks first waits until they are there. Raises what joining raises."""
        with self._lock:
            if self._streams is None:
                self._streams = self.join()
            return self._streams

    @property
    def joins(self) -> bool:
        """Whether there is a site at all."""
        return self.join is not no_site

    @property
    def joined(self) -> Streams | None:
        """The site's streams, where somebody has asked for them."""
        return self._streams

    def close(self) -> None:
        """Leave the site, once everything that was published is with those who still ask for it."""
        with self._lock:
            streams, self._streams = self._streams, None
        if streams is not None:
            streams.close()


def no_site() -> Streams:
    """What joins where no site was named: raises UsageError."""
    cure = "weft run … --connect quic/edge:7447, or in the document: streams: {connect: [quic/edge:7447]}"
    raise UsageError("it has sources or sinks of a site's streams, and joins no site", cure=cure)
