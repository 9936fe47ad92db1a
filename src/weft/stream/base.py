"""The contract of streams, whatever carries them: publish, subscribe, ask and answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from weft.core.errors import InputError, UsageError
from weft.core.frame import Frame
from weft.core.units import format_size

Delivery = Literal["live", "reliable"]
"""``live``: the newest frames win, what is dropped is counted. ``reliable``: in order and without loss while the
network and the publisher's memory of what it sent hold; what is lost is counted."""

Scope = Literal["site", "global"]
"""``site``: the stream stays within its site. ``global``: every site joined to this one may see it."""

MAX_PAYLOAD = 64 * 2**20
"""Bytes of one frame."""

ASK_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """What a publisher promises of its stream.

    Attributes:
        delivery: live or reliable.
        latest: who subscribes later gets the last frame at once.
        scope: who may see the stream.
        keep: a reliable publisher keeps that many frames to send again …
        keep_bytes: … and no more than so many bytes of them.
    """

    delivery: Delivery = "live"
    latest: bool = False
    scope: Scope = "site"
    keep: int = 1024
    keep_bytes: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.keep < 1 or self.keep_bytes < 1:
            raise UsageError("a reliable publisher keeps nothing", cure="keep at least one frame")


@dataclass(frozen=True, slots=True)
class SubscribeOptions:
    """How a subscriber takes frames.

    Attributes:
        queue: frames that wait for the reader. Live ones are dropped beyond it, the oldest first; reliable ones
            are left with the publisher until there is room.
        latest: begin with the last frame of streams that keep it.
    """

    queue: int = 64
    latest: bool = True

    def __post_init__(self) -> None:
        if self.queue < 1:
            raise UsageError("a subscriber's queue holds nothing", cure="give it at least 1")


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream somebody publishes now.

    Attributes:
        name: the stream.
        scope: the site's name, or "global".
        delivery: what its publishers promise.
        latest: they keep the last frame.
        publishers: how many there are.
    """

    name: str
    scope: str
    delivery: Delivery
    latest: bool
    publishers: int


class Publisher(Protocol):
    """Sends the frames of one stream. Any thread may use it."""

    @property
    def sent(self) -> int:
        """Frames sent."""

    def put(self, frame: Frame) -> None:
        """Send a frame; its ``stream`` is this publisher's. Never waits for a consumer.

        Raises InputError for a payload over ``MAX_PAYLOAD`` or headers that do not fit, UsageError after close.
        """

    def close(self) -> None:
        """Say that nothing more comes."""


class Subscription(Protocol):
    """Receives the frames of the streams that fit a pattern, each stream in its order."""

    @property
    def counters(self) -> dict[str, int]:
        """``received``; ``dropped`` live ones nobody read in time; ``lost`` reliable ones that could not be had;
        ``recovered``, those that came when asked for; ``malformed``; ``refused``, over the limit."""

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; None when none comes within ``timeout`` seconds, or it was closed."""

    def __iter__(self) -> Iterator[Frame]:
        """Frames until it is closed."""

    def close(self) -> None:
        """Stop receiving; what waits can still be read."""


class Closing(Protocol):
    """Something that is used until it is closed: what answers requests, say."""

    def close(self) -> None:
        """End it; the second time nothing happens."""


Answer = Callable[[Frame], Frame]


class Streams(Protocol):
    """A place in which streams are shared: a process, a site, sites joined together."""

    def publish(self, stream: str, options: PublishOptions = PublishOptions()) -> Publisher:
        """Begin to publish a stream. Raises UsageError for what is no stream name."""

    def subscribe(self, patterns: Sequence[str], options: SubscribeOptions = SubscribeOptions()) -> Subscription:
        """Receive the streams that fit any of the patterns. Raises UsageError."""

    def ask(self, stream: str, frame: Frame, timeout: float = ASK_TIMEOUT_S) -> Frame:
        """Send a request to whoever answers on a stream, and wait for the answer.

        Raises NotFoundError when nobody does in time, PipelineError with the reason when answering failed.
        """

    def answer(self, stream: str, work: Answer) -> Closing:
        """Answer requests on a stream, one after the other, on a thread of its own."""

    def known(self) -> list[StreamInfo]:
        """The streams that somebody publishes now, by name."""

    def close(self) -> None:
        """Close everything made from it."""


def checked(frame: Frame, stream: str) -> bytes:
    """The payload of a frame to be sent. Raises InputError when it is over the limit."""
    payload = frame.payload
    if len(payload) > MAX_PAYLOAD:
        what = f"a frame of {format_size(len(payload))}; a stream carries {format_size(MAX_PAYLOAD)} at most"
        raise InputError(what, where=stream, cure="send a smaller picture, or encode it")
    return payload
