"""Streams within one process: the contract without a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from threading import Lock

from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.core.streams import matches_any
from weft.stream.asking import AnswerThread, Reply, nobody
from weft.stream.base import (
    ASK_TIMEOUT_S,
    Answer,
    Closing,
    PublishOptions,
    StreamInfo,
    SubscribeOptions,
    checked,
)
from weft.stream.names import key_of, key_pattern
from weft.stream.receiver import Receiver
from weft.stream.recovery import Gap
from weft.stream.sent import Sent
from weft.stream.wire import RELIABLE, flags_of

HERE = "local"
"""The scope of a process's own streams."""

MAX_PAST = 64
"""Closed publishers whose memory is kept."""


class LocalPublisher:
    """Hands frames to the subscriptions of its process."""

    def __init__(self, place: LocalStreams, ident: int, stream: str, options: PublishOptions) -> None:
        self.stream = stream
        self.options = options
        self.sent = 0
        self.flags = flags_of(options)
        self.memory: Sent[Frame] = Sent(options.keep if self.flags & RELIABLE else 1, options.keep_bytes)
        self._place = place
        self._ident = ident
        self._lock = Lock()
        self._open = True

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
            number, self.sent = self.sent, self.sent + 1
            if self.flags:
                self.memory.add(sent, len(sent.payload))
            for subscription in self._place.takers(self.stream):
                subscription.receiver.take(sent, self._ident, number, self.flags)

    def close(self) -> None:
        """Nothing more comes."""
        with self._lock:
            self._open = False
        self._place.forget(self._ident)


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
        """The next frame."""
        return self.receiver.get(timeout)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.receiver)

    def close(self) -> None:
        """Stop receiving."""
        self._place.leave(self)
        self.receiver.close()


class LocalStreams:
    """The streams of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._publishers: dict[int, LocalPublisher] = {}
        self._memories: dict[int, Sent[Frame]] = {}
        self._past: deque[int] = deque()
        self._subscriptions: tuple[LocalSubscription, ...] = ()
        self._answering: dict[str, AnswerThread] = {}

    def publish(self, stream: str, options: PublishOptions = PublishOptions()) -> LocalPublisher:
        """Begin to publish a stream."""
        key_of(stream, HERE)
        with self._lock:
            self._count += 1
            publisher = LocalPublisher(self, self._count, stream, options)
            self._publishers[self._count] = publisher
            if publisher.flags & RELIABLE:
                self._memories[self._count] = publisher.memory
        return publisher

    def subscribe(self, patterns: Sequence[str], options: SubscribeOptions = SubscribeOptions()) -> LocalSubscription:
        """Receive the streams that fit a pattern."""
        for pattern in patterns:
            key_pattern(pattern, HERE)
        subscription = LocalSubscription(self, patterns, options)
        with self._lock:
            self._subscriptions += (subscription,)
            publishers = list(self._publishers.items())
        for ident, publisher in publishers:
            last = publisher.memory.last
            if options.latest and publisher.options.latest and last and matches_any(patterns, publisher.stream):
                subscription.receiver.first(last, ident, publisher.sent - 1, publisher.flags)
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

    def known(self) -> list[StreamInfo]:
        """The streams that are published now."""
        found: dict[str, StreamInfo] = {}
        for publisher in list(self._publishers.values()):
            options, before = publisher.options, found.get(publisher.stream)
            count = before.publishers + 1 if before else 1
            found[publisher.stream] = StreamInfo(publisher.stream, HERE, options.delivery, options.latest, count)
        return [found[name] for name in sorted(found)]

    def close(self) -> None:
        """Close everything made from it."""
        closing: list[Closing] = [*self._publishers.values(), *self._subscriptions, *self._answering.values()]
        for made in closing:
            made.close()

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
            receiver.again(frame, gap.publisher, number)
        receiver.answered(gap, memory.oldest)

    def forget(self, ident: int) -> None:
        """A publisher was closed; those who read slowly may still ask for what it sent."""
        with self._lock:
            if (publisher := self._publishers.pop(ident, None)) is not None and publisher.flags & RELIABLE:
                self._past.append(ident)
            while len(self._past) > MAX_PAST:
                self._memories.pop(self._past.popleft())

    def leave(self, subscription: LocalSubscription) -> None:
        """A subscription was closed."""
        with self._lock:
            self._subscriptions = tuple(found for found in self._subscriptions if found is not subscription)

    def _silence(self, answering: AnswerThread) -> None:
        with self._lock:
            if self._answering.get(answering.stream) is answering:
                del self._answering[answering.stream]
