"""The pictures of a camera, however often it dies: the watch decides, the decoder does, this thread waits."""

from __future__ import annotations

import logging
import select

from weft.core.clock import monotonic
from weft.core.errors import MediaError, UnavailableError, WeftError
from weft.media.cameras.bell import Bell
from weft.media.cameras.handover import taken
from weft.media.cameras.messages import Ended, Job, Lost, Shown
from weft.media.cameras.process import Decoder
from weft.media.cameras.watch import Order, State, Watch
from weft.media.images import LazyPicture

_log = logging.getLogger("weft.media.camera")


class Feed:
    """Gives the pictures of one camera, on one thread. ``bell`` ends the waiting.

    Args:
        job: what decoders are told.
        watch: the states; the feed alone tells it what happens.
        bell: rung by whoever wants no more.
    """

    def __init__(self, job: Job, watch: Watch, bell: Bell) -> None:
        self.decoder: Decoder | None = None
        self._job = job
        self._watch = watch
        self._bell = bell
        self._counters = watch.counters
        self._before = (0, 0)
        self._told = False

    def next(self) -> tuple[LazyPicture, int] | None:
        """The next picture and when it was decoded (nanoseconds since the epoch), as soon as there is one.

        None when the bell has rung, or at the end of a file. Raises the camera's trouble when it is given up.
        """
        self._watch.resume(monotonic())
        if self.decoder is not None:
            self.decoder.ask()
        while not self._bell.rung:
            if self._ready():
                found = self._hear()
                if found is not None or self._watch.state is State.ENDED:
                    return found
            else:
                self._obey(self._watch.tick(monotonic()))
        return None

    def close(self) -> None:
        """End the decoder, if one runs. For the thread that calls :meth:`next`."""
        self._watch.end()
        if self.decoder is not None:
            self.decoder.close()
            self.decoder = None
        self._bell.close()

    def _ready(self) -> bool:
        """Wait for the decoder, the bell, or the watch's deadline; whether the decoder has something to say."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if self.decoder is not None:
            poll.register(self.decoder, select.POLLIN)
        found = poll.poll(self._wait_ms())
        return self.decoder is not None and any(descriptor == self.decoder.fileno() for descriptor, _ in found)

    def _wait_ms(self) -> int | None:
        if self._watch.state is State.IDLE:
            return 0
        if self._watch.deadline is None:
            return None
        return max(0, int((self._watch.deadline - monotonic()) * 1000) + 1)

    def _obey(self, order: Order) -> None:
        if order is Order.START:
            self._start()
        elif order is Order.KILL and self.decoder is not None:
            self.decoder.kill()

    def _start(self) -> None:
        try:
            self.decoder = Decoder(self._job)
        except UnavailableError as error:
            self._lost(error)
            return
        self._before = (self._counters.dropped, self._counters.damaged)
        self.decoder.ask()

    def _hear(self) -> tuple[LazyPicture, int] | None:
        assert self.decoder is not None
        try:
            message = self.decoder.receive()
            if isinstance(message, Shown):
                return self._take(self.decoder, message)
        except (ValueError, MediaError) as error:
            self.decoder.kill()
            message = Lost("UnavailableError", f"its decoder said what makes no sense: {error}", "it is tried again")
        if isinstance(message, Ended):
            self._watch.end()
        else:
            self._bury(self.decoder, message if isinstance(message, Lost) else None)
        return None

    def _take(self, decoder: Decoder, shown: Shown) -> tuple[LazyPicture, int]:
        picture = taken(decoder.slot, shown)
        dropped, damaged = self._before
        self._counters.dropped, self._counters.damaged = dropped + shown.dropped, damaged + shown.damaged
        self._watch.picture(monotonic())
        if self._told:
            _log.info("%s: live again", self._job.shown)
            self._told = False
        return picture, shown.time_ns

    def _bury(self, decoder: Decoder, said: Lost | None) -> None:
        """The decoder has no more to say: wait until it is gone, and tell the watch why."""
        if not decoder.reaped():
            decoder.kill()
            if not decoder.reaped():
                return  # it hangs in the kernel: as long as it does, no other one is started
        self._counters.crashes += said is None and self._watch.state is not State.STALLED
        trouble = decoder.cause() if said is None else said.raised(self._job.shown)
        decoder.close()
        self.decoder = None
        self._lost(trouble)

    def _lost(self, trouble: WeftError) -> None:
        if self._watch.gone(monotonic(), trouble) is Order.GIVE_UP:
            assert self._watch.trouble is not None
            raise self._watch.trouble
        if not self._told and self._watch.trouble is not None:
            trouble = self._watch.trouble
            _log.warning("%s: %s; it is tried again (%s)", self._job.shown, trouble.what, trouble.cure)
            self._told = True
