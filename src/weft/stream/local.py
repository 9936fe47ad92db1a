"""Streams within one process: the contract without a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from weft.core.errors import UnavailableError, UsageError
from weft.core.frame import Frame
from weft.core.streams import matches_any
from weft.stream.asking import AnswerThread, Reply, nobody
from weft.stream.base import (
    ASK_TIMEOUT_S,
    Answer,
    Closing,
    Mark,
    PublishOptions,
    StreamInfo,
    SubscribeOptions,
    Subscription,
    checked,
)
from weft.stream.local_groups import LocalGroups
from weft.stream.names import key_of, key_pattern
from weft.stream.receiver import Receiver
from weft.stream.recovery import Gap
from weft.stream.sent import Memory, Sent
from weft.stream.spool import Spool, spool_path
from weft.stream.wire import DURABLE, RELIABLE, HeaderWriter, flags_of, read_header

HERE = "local"
"""The scope of a process's own streams."""

MAX_PAST = 64
"""Closed publishers whose memory is kept."""


class SpooledFrames:
    """A spool that takes and gives frames; what a place of one process shares it keeps in the same form as a site."""

    def __init__(self, spool: Spool, stream: str, flags: int) -> None:
        self.spool = spool
        self._stream = stream
        self._header = HeaderWriter(spool.publisher, flags, spool.age_s)

    @property
    def last(self) -> Frame | None:
        """The newest frame."""
        return next((frame for _, frame in self.between(self.spool.next - 1, self.spool.next - 1)), None)

    def add(self, message: Frame, size: int) -> None:
        """Keep a frame. Raises OutputError."""
        header = self._header.write(message, self.spool.next)
        self.spool.add((header, message.payload), len(header) + size)

    def between(self, first: int, last: int) -> Iterator[tuple[int, Frame]]:
        """The frames with these numbers, as far as they are kept."""
        for number, (header, payload) in self.spool.between(first, last):
            yield number, read_header(header).frame(payload, self._stream)

    def kept_from(self, number: int) -> int:
        """The first number that is kept from this one on."""
        return self.spool.kept_from(number)


class LocalPublisher:
    """Hands frames to the subscriptions of its process."""

    def __init__(
        self, place: LocalStreams, ident: int, stream: str, options: PublishOptions, spool: Spool | None
    ) -> None:
        self.stream = stream
        self.options = options
        self.sent = spool.next if spool is not None else 0
        self.flags = flags_of(options)
        keep = options.keep if self.flags & RELIABLE else 1
        self.memory: Memory[Frame] = (
            SpooledFrames(spool, stream, self.flags) if spool is not None else Sent(keep, options.keep_bytes)
        )
        self._place = place
        self._ident = ident
        self._lock = Lock()
        self._open = True
        self.groups = place.groups.follow(self)

    def put(self, frame: Frame) -> None:
        """Send a frame."""
        sent = Frame(
            checked(frame, self.stream),
            media_type=frame.media_type,
            stream=self.stream,
            source=frame.source,
            sequence=frame.sequence,
            time_ns=frame.time_ns,
            headers=frame.headers,
            picture=frame.picture,
        )
        with self._lock:
            if not self._open:
                raise UsageError("the publisher was closed", where=self.stream)
            if self.flags:
                self.memory.add(sent, len(sent.payload))
            number, self.sent = self.sent, self.sent + 1
            for subscription in self._place.takers(self.stream):
                subscription.receiver.take(sent, self._ident, number, self.flags)
            self.groups.offer(sent)

    @property
    def shared(self) -> dict[str, int]:
        """What became of frames for groups."""
        return self.groups.counters

    @property
    def closed(self) -> bool:
        """True when it sends nothing more."""
        return not self._open

    def close(self) -> None:
        """Nothing more comes. The second time nothing happens: its number may be its successor's by then."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        self._place.forget(self._ident)
        self._place.groups.forget(self.groups)


class LocalSubscription:
    """Receives what the process publishes."""

    def __init__(self, place: LocalStreams, patterns: Sequence[str], options: SubscribeOptions) -> None:
        self.patterns = tuple(patterns)
        self.receiver = Receiver(options, lambda gap, _: place.send_again(gap, self.receiver))
        self._place = place

    @property
    def counters(self) -> dict[str, int]:
        """What came of the frames."""
        return self.receiver.counters

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; the one before it is delivered."""
        return self.receiver.get(timeout)

    def receive(self, timeout: float | None = None) -> tuple[Frame, Mark | None] | None:
        """The next frame, and what to say when it is delivered."""
        return self.receiver.receive(timeout)

    def delivered(self, mark: Mark) -> None:
        """This frame need not come again."""
        self.receiver.delivered(mark)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.receiver)

    def close(self) -> None:
        """Stop receiving; the second time also stop hearing what was delivered."""
        self.receiver.close()
        if not self.receiver.unfinished:
            self._place.leave(self)


class LocalStreams:
    """The streams of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._publishers: dict[int, LocalPublisher] = {}
        self._states: dict[str, str] = {}
        self._memories: dict[int, Memory[Frame]] = {}
        self._spools: dict[Path, Spool] = {}
        self._past: deque[int] = deque()
        self._subscriptions: tuple[LocalSubscription, ...] = ()
        self._answering: dict[str, AnswerThread] = {}
        self.groups = LocalGroups()

    def publish(self, stream: str, options: PublishOptions = PublishOptions()) -> LocalPublisher:
        """Begin to publish a stream."""
        key = key_of(stream, HERE)
        with self._lock:
            self._count += 1
            spool = self._spool(key, options) if options.delivery == "durable" else None
            ident = spool.publisher if spool is not None else self._count
            publisher = LocalPublisher(self, ident, stream, options, spool)
            self._publishers[ident] = publisher
            if publisher.flags & RELIABLE:
                self._memories[ident] = publisher.memory
        if spool is not None and publisher.sent:
            self._tell_last(publisher, ident)
        return publisher

    def subscribe(self, patterns: Sequence[str], options: SubscribeOptions = SubscribeOptions()) -> Subscription:
        """Receive the streams that fit a pattern."""
        for pattern in patterns:
            key_pattern(pattern, HERE)
        if options.group is not None:
            return self.groups.subscribe(patterns, options, options.group)
        subscription = LocalSubscription(self, patterns, options)
        with self._lock:
            self._subscriptions += (subscription,)
            publishers = list(self._publishers.items())
        for ident, publisher in publishers:
            last = publisher.memory.last
            if not matches_any(patterns, publisher.stream):
                continue
            if options.latest and publisher.options.latest and last:
                subscription.receiver.first(last, ident, publisher.sent - 1, publisher.flags)
            elif options.consumer is not None and publisher.flags & DURABLE and publisher.sent:
                subscription.receiver.beat(publisher.stream, ident, publisher.sent - 1, publisher.flags)
        return subscription

    def ask(self, stream: str, frame: Frame, timeout: float = ASK_TIMEOUT_S) -> Frame:
        """Send a request and wait for its answer."""
        reply = Reply(stream, timeout)
        if (answering := self._answering.get(stream)) is not None:
            answering.take(frame, reply.give)
        else:
            reply.give(nobody(stream))
        return reply.wait()

    def answer(self, stream: str, work: Answer) -> AnswerThread:
        """Answer requests on a stream."""
        key_of(stream, HERE)
        answering = self._answering[stream] = AnswerThread(stream, work, self._silence)
        return answering

    def tell_state(self, stream: str, state: str) -> None:
        """Say how the source of a stream is that is published here."""
        if any(publisher.stream == stream for publisher in list(self._publishers.values())):
            self._states[stream] = state

    def known(self) -> list[StreamInfo]:
        """The streams that are published now."""
        found: dict[str, StreamInfo] = {}
        for publisher in list(self._publishers.values()):
            options, before = publisher.options, found.get(publisher.stream)
            count = before.publishers + 1 if before else 1
            name, groups = publisher.stream, publisher.groups.groups
            state = self._states.get(name, "")
            found[name] = StreamInfo(name, HERE, options.delivery, options.latest, count, groups, state)
        return [found[name] for name in sorted(found)]

    def close(self) -> None:
        """Close everything made from it."""
        closing: list[Closing] = [*self._publishers.values(), *self._subscriptions, *self._answering.values()]
        for made in closing:
            made.close()
        self.groups.close()
        for spool in self._spools.values():
            spool.close()
        self._spools.clear()

    # --- what its parts ask ------------------------------------------------------------

    def takers(self, stream: str) -> Iterator[LocalSubscription]:
        """The subscriptions that take a stream."""
        return (found for found in self._subscriptions if matches_any(found.patterns, stream))

    def send_again(self, gap: Gap, receiver: Receiver) -> None:
        """Give a subscription what it missed, straight from the publisher's memory."""
        memory = self._memories.get(gap.publisher)
        if memory is None:
            receiver.gone(gap.publisher)
            return
        for number, frame in memory.between(gap.first, gap.last):
            receiver.take_asked([frame], gap.publisher, number)
        receiver.answered(gap, memory.kept_from(gap.first))

    def forget(self, ident: int) -> None:
        """A publisher was closed; those who read slowly may still ask for what it sent."""
        with self._lock:
            publisher = self._publishers.pop(ident, None)
            if publisher is not None and all(other.stream != publisher.stream for other in self._publishers.values()):
                self._states.pop(publisher.stream, None)
            if publisher is not None and publisher.flags & RELIABLE and not publisher.flags & DURABLE:
                self._past.append(ident)
            while len(self._past) > MAX_PAST:
                self._memories.pop(self._past.popleft())

    def leave(self, subscription: LocalSubscription) -> None:
        """A subscription was closed."""
        with self._lock:
            self._subscriptions = tuple(found for found in self._subscriptions if found is not subscription)

    def _spool(self, key: str, options: PublishOptions) -> Spool:
        """The spool of a stream; it stays open after its publisher, to answer those who read slowly."""
        path = spool_path(options.spool, key)
        found = self._spools.get(path)
        if found is None:
            found = self._spools[path] = Spool(path, options.spool)
        elif found.publisher in self._publishers:
            raise UnavailableError("another publisher uses this spool", where=str(path), cure="name another folder")
        return found

    def _tell_last(self, publisher: LocalPublisher, ident: int) -> None:
        """It is there again: what of its spool somebody misses can be asked for."""
        for subscription in self.takers(publisher.stream):
            subscription.receiver.beat(publisher.stream, ident, publisher.sent - 1, publisher.flags)

    def _silence(self, answering: AnswerThread) -> None:
        with self._lock:
            if self._answering.get(answering.stream) is answering:
                del self._answering[answering.stream]
