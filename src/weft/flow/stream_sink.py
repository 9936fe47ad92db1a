"""A site's streams as a sink."""

from __future__ import annotations

from collections.abc import Sequence

from weft.core.errors import OutputError
from weft.core.frame import Frame
from weft.stream.base import Publisher, PublishOptions, Streams

MAX_STREAMS = 1024
"""Streams that one sink publishes; a recording may hold any number."""


class StreamSink:
    """Publishes every frame under the name of its stream.

    Args:
        streams: where they are shared.
        options: what the publishers promise.
        ahead: streams that are published from the start, before their first frame; patterns among them are left out.
    """

    def __init__(self, streams: Streams, options: PublishOptions = PublishOptions(), ahead: Sequence[str] = ()) -> None:
        self._streams = streams
        self._options = options
        self._publishers: dict[str, Publisher] = {}
        for stream in ahead:
            if "*" not in stream:
                self.publish(stream)

    def write(self, frame: Frame) -> None:
        """Publish one frame. Raises InputError for one that is too large, OutputError for too many streams."""
        publisher = self._publishers.get(frame.stream)
        if publisher is None:
            publisher = self.publish(frame.stream)
        publisher.put(frame)

    def publish(self, stream: str) -> Publisher:
        """Say that a stream is published, before its first frame."""
        if len(self._publishers) >= MAX_STREAMS:
            what = f"more than {MAX_STREAMS} streams are published by one sink"
            raise OutputError(what, where=stream, cure="publish fewer")
        publisher = self._publishers[stream] = self._streams.publish(stream, self._options)
        return publisher

    @property
    def counters(self) -> dict[str, int]:
        """What became of frames for groups, as :attr:`weft.stream.base.Publisher.shared`."""
        found: dict[str, int] = {}
        for publisher in list(self._publishers.values()):
            for name, count in publisher.shared.items():
                found[name] = found.get(name, 0) + count
        return found

    def close(self) -> None:
        """Say that nothing more comes. What is reliable can still be asked for until the site is left."""
        for publisher in self._publishers.values():
            publisher.close()
