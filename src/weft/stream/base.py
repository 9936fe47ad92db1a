"""The contract of streams, whatever carries them: publish, subscribe, ask and answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

from weft.core.errors import InputError, UsageError
from weft.core.frame import Frame
from weft.core.units import format_size

Delivery = Literal["live", "reliable", "durable"]
"""``live``: the newest frames win, what is dropped is counted. ``reliable``: in order and without loss while the
network and the publisher's memory of what it sent hold; what is lost is counted. ``durable``: that memory is a file,
which outlives the publisher, and a consumer with a name goes on where it was: at least once."""

WhenFull = Literal["drop_oldest", "refuse"]
"""``drop_oldest``: the oldest frames go, and are counted. ``refuse``: no more is taken until the oldest are old
enough to go."""

Scope = Literal["site", "global"]
"""``site``: the stream stays within its site. ``global``: every site joined to this one may see it."""

MAX_PAYLOAD = 64 * 2**20
"""Bytes of one frame."""

ASK_TIMEOUT_S = 10.0

AGAIN_HEADER = "again"
"""The header of a frame that may have been delivered to this consumer before."""

_GROUP = re.compile(r"\w[\w.-]{0,99}")
_CONSUMER = re.compile(r"[\w-][\w.-]{0,99}")


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """Where a durable publisher keeps its frames, and how many.

    Attributes:
        folder: the folder; each stream has a file in it. That of this user's state if absent.
        max_bytes: of the frames that are kept.
        max_age_s: what was sent longer ago goes.
        when_full: drop_oldest or refuse.
        sync: every frame is on the disk itself before it counts as sent: then it also outlives a power cut at that
            very moment, and waits for the disk. Otherwise that may cost up to the last 1024 frames.
    """

    folder: Path | None = None
    max_bytes: int = 2**30
    max_age_s: float = 7 * 86_400.0
    when_full: WhenFull = "drop_oldest"
    sync: bool = False

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or not self.max_age_s > 0:
            raise UsageError("a spool that keeps nothing", cure="give it some size and time")
        if self.when_full not in get_args(WhenFull):
            raise UsageError(f"no '{self.when_full}' for a full spool", cure="drop_oldest or refuse")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer that goes on where it was, whenever it comes back.

    Attributes:
        name: its name on this machine; one process at a time may use it.
        from_start: where it has no position yet, it begins with the oldest frame that is kept, not with what is new.
        folder: where its position is kept; in this user's state if absent.
    """

    name: str
    from_start: bool = False
    folder: Path | None = None

    def __post_init__(self) -> None:
        if not _CONSUMER.fullmatch(self.name):
            what = f"'{self.name}' is no consumer's name"
            raise UsageError(what, cure="up to 100 letters, digits, '_', '-' and '.', not with a '.' first")


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """What a publisher promises of its stream.

    Attributes:
        delivery: live, reliable or durable.
        latest: who subscribes later gets the last frame at once.
        scope: who may see the stream.
        keep: a reliable publisher keeps that many frames to send again …
        keep_bytes: … and no more than so many bytes of them. Small frames that were sent together are kept together.
        spool: where a durable publisher keeps them instead.
    """

    delivery: Delivery = "live"
    latest: bool = False
    scope: Scope = "site"
    keep: int = 1024
    keep_bytes: int = 256 * 2**20
    spool: SpoolOptions = SpoolOptions()

    def __post_init__(self) -> None:
        if self.keep < 1 or self.keep_bytes < 1:
            raise UsageError("a reliable publisher keeps nothing", cure="keep at least one frame")


@dataclass(frozen=True, slots=True)
class Group:
    """Several subscribers that share the load of what they subscribe to: each frame goes to one of them.

    One that ends, dies or stops gets no more, and what it has not done goes to another. So a frame may come twice; one
    that may have been delivered before has the header ``again``.

    Attributes:
        name: members of the same name share.
        by: "" for whoever is the least busy; ``source``, ``stream`` or the name of a header: frames that have the same
            stay with one member, in their order. All members say the same.
    """

    name: str
    by: str = ""

    def __post_init__(self) -> None:
        if not _GROUP.fullmatch(self.name):
            what = f"'{self.name}' is no group's name"
            raise UsageError(what, cure="up to 100 letters, digits, '_', '-' and '.', not with a '.' or '-' first")
        if self.by and not _GROUP.fullmatch(self.by):
            raise UsageError(f"'{self.by}' is nothing to share by", cure="source, stream or the name of a header")


@dataclass(frozen=True, slots=True)
class SubscribeOptions:
    """How a subscriber takes frames.

    Attributes:
        queue: frames that wait for the reader. Live ones are dropped beyond it, the oldest first; reliable ones
            are left with the publisher until there is room.
        latest: begin with the last frame of streams that keep it.
        consumer: who it is, where it wants to go on where it was in durable streams. A frame counts as delivered when
            the next one is asked for; one that may have been delivered before has the header ``again``.
        group: whom it shares the load with. It then has no more than ``queue`` frames in hand at a time, as far as
            publishers can tell.
    """

    queue: int = 64
    latest: bool = True
    consumer: Consumer | None = None
    group: Group | None = None

    def __post_init__(self) -> None:
        if self.queue < 1:
            raise UsageError("a subscriber's queue holds nothing", cure="give it at least 1")
        if self.consumer is not None and self.group is not None:
            what = "a consumer that goes on where it was shares with nobody"
            raise UsageError(what, cure="name a consumer, or a group")


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A group that shares a stream now.

    Attributes:
        name: the group.
        by: what its frames are shared by; "" for the least busy member.
        members: how many there are.
    """

    name: str
    by: str
    members: int


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream somebody publishes now.

    Attributes:
        name: the stream.
        scope: the site's name, or "global".
        delivery: what its publishers promise.
        latest: they keep the last frame.
        publishers: how many there are.
        groups: those that share its load, by name.
        state: how its source is, where that may die, such as a camera: connecting, live, stalled, backing off; several,
            where its publishers say several. Empty where nobody says it.
    """

    name: str
    scope: str
    delivery: Delivery
    latest: bool
    publishers: int
    groups: tuple[GroupInfo, ...] = ()
    state: str = ""


class Publisher(Protocol):
    """Sends the frames of one stream. Any thread may use it."""

    @property
    def sent(self) -> int:
        """Frames sent; for a durable stream, since its spool was made."""

    @property
    def shared(self) -> dict[str, int]:
        """What became of frames for groups, all together: ``given`` to members; ``moved`` to another one;
        ``sent_again`` to the same; ``dropped``, live ones nobody had room for; ``lost``. Empty without a group."""

    def put(self, frame: Frame) -> None:
        """Send a frame; its ``stream`` is this publisher's. Never waits for a consumer.

        Where it is durable, it is in the spool when this returns. Raises InputError for a payload over ``MAX_PAYLOAD``
        or headers that do not fit, UsageError after close, OutputError where the spool cannot take it.
        """

    def close(self) -> None:
        """Say that nothing more comes."""


class Mark(NamedTuple):
    """A frame of a durable stream, as its publisher counts: what a consumer with a name says was delivered."""

    publisher: int
    number: int


class Subscription(Protocol):
    """Receives the frames of the streams that fit a pattern, each stream in its order."""

    @property
    def counters(self) -> dict[str, int]:
        """``received``; ``dropped`` live ones nobody read in time; ``lost`` reliable ones that could not be had;
        ``recovered``, those that came when asked for; ``again``, those that may have been delivered before;
        ``malformed``; ``refused``, over the limit."""

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; None when none comes within ``timeout`` seconds, or it was closed.

        The one before it is delivered now. Raises OutputError where a consumer's position cannot be kept.
        """

    def receive(self, timeout: float | None = None) -> tuple[Frame, Mark | None] | None:
        """As :meth:`get`, for those who say themselves when a frame is :meth:`delivered`; None: it need not be said."""

    def delivered(self, mark: Mark) -> None:
        """This frame need not come again."""

    def __iter__(self) -> Iterator[Frame]:
        """Frames until it is closed."""

    def close(self) -> None:
        """Stop receiving; what waits can still be read, and what waits for a consumer with a name comes again.

        Who says itself what is delivered may still do so, until this is called a second time.
        """


class Closing(Protocol):
    """Something that is used until it is closed: what answers requests, say."""

    def close(self) -> None:
        """End it; the second time nothing happens."""


Answer = Callable[[Frame], Frame]


class Streams(Protocol):
    """A place in which streams are shared: a process, a site, sites joined together."""

    def publish(self, stream: str, options: PublishOptions = PublishOptions()) -> Publisher:
        """Begin to publish a stream.

        Raises UsageError for what is no stream name; for a durable one UnavailableError when somebody else uses its
        spool, OutputError where there can be none.
        """

    def subscribe(self, patterns: Sequence[str], options: SubscribeOptions = SubscribeOptions()) -> Subscription:
        """Receive the streams that fit any of the patterns.

        Raises UsageError; for a consumer with a name UnavailableError when somebody else uses it, OutputError where its
        position cannot be kept.
        """

    def ask(self, stream: str, frame: Frame, timeout: float = ASK_TIMEOUT_S) -> Frame:
        """Send a request to whoever answers on a stream, and wait for the answer.

        Raises NotFoundError when nobody does in time, PipelineError with the reason when answering failed.
        """

    def answer(self, stream: str, work: Answer) -> Closing:
        """Answer requests on a stream, one after the other, on a thread of its own."""

    def tell_state(self, stream: str, state: str) -> None:
        """Say how the source is of a stream that is published here: words, or "" for none. Others are left alone."""

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


def marked(frame: Frame) -> Frame:
    """The same frame, saying that it may have been delivered before."""
    return Frame(
        frame.payload,
        media_type=frame.media_type,
        stream=frame.stream,
        source=frame.source,
        sequence=frame.sequence,
        time_ns=frame.time_ns,
        headers={**frame.headers, AGAIN_HEADER: "true"},
        picture=frame.picture,
    )
