"""Hot swap: a new version of a function is made beside the one at work, and takes over between two frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Event, Thread
from typing import Literal

from weft.core.clock import monotonic
from weft.core.errors import PipelineError, WeftError
from weft.core.protocols import Handler, StartedHandler, StoppableHandler
from weft.flow.faults import log, unexpected
from weft.flow.roster import Roster, digest_of

State = Literal["opening", "ready", "taken", "done", "superseded", "unused", "refused"]

Tell = Callable[["Swap"], object]


class Swap:
    """A new version of a function on its way into a run, from :meth:`weft.flow.executor.Run.swap`.

    Attributes:
        stage: the function's name.
        number: the version's, counting from 1; what the run began with is 0.
        state: ``opening``; ``ready``, for the next frame; ``taken``, by the first replica; and in the end ``done`` (no
            replica works with an older version), ``superseded`` (by a swap that came later), ``unused`` (the stage
            ended first) or ``refused`` (it could not be made or did not start).
        error: why it was refused or unused.
        digest: of the new version, where it has one.
        open_s: seconds that making it ready took.
        frame: the sequence of the first frame it was given; None before that.
        taken_s: seconds from the beginning to that frame.
    """

    def __init__(self, roster: Roster, make: Callable[[], Handler], tell: Tell | None = None) -> None:
        """Begin on a thread of its own. ``make`` is called there, once per replica; ``tell`` at each new state."""
        self.stage = roster.stage
        self.state: State = "opening"
        self.error: WeftError | None = None
        self.digest = ""
        self.open_s = self.taken_s = 0.0
        self.frame: int | None = None
        self._roster = roster
        self._make = make
        self._tell = tell
        self._over = Event()
        self._making: Handler | None = None
        self._given_up = False
        self._began = monotonic()
        self.number = roster.begin(self.give_up)
        Thread(target=self._run, name=f"weft:{self.stage}:swap", daemon=True).start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end state; False when it has not come after ``timeout_s``.

        A version that is ready takes over with the next frame, however long that is in coming.
        """
        return self._over.wait(timeout_s)

    def check(self) -> Swap:
        """Itself; raises :attr:`error` where it was refused or unused."""
        if self.error is not None:
            raise self.error
        return self

    def give_up(self) -> None:
        """Leave it if it is not ready yet; a start that takes long is stopped. From any thread; returns at once."""
        self._given_up = True
        if isinstance(making := self._making, StoppableHandler):
            making.stop()

    # --- the swap's thread -------------------------------------------------------------

    def _run(self) -> None:
        try:
            if self._publish(self._open()):
                self._follow()
        except BaseException as error:  # noqa: BLE001 - opening a function may run anybody's code
            self._roster.end(self.number)
            if self._given_up:
                self._leave()
            else:
                self.error = unexpected(error, where=self.stage)
                self._enter("refused")
        finally:
            self._over.set()

    def _open(self) -> dict[int, Handler]:
        """A handler for each replica, started. Where one cannot be had, those before it are closed."""
        handlers: dict[int, Handler] = {}
        try:
            for replica in self._roster.replicas():
                handler = self._making = handlers[replica] = self._make()
                if isinstance(handler, StartedHandler) and not self._given_up:
                    handler.start()
        except BaseException:
            self._close(handlers.values())
            raise
        self._making = None
        self.open_s = monotonic() - self._began
        self.digest = next(map(digest_of, handlers.values()), "")
        return handlers

    def _publish(self, handlers: dict[int, Handler]) -> bool:
        published = "unused" if self._given_up else self._roster.publish(self.number, handlers)
        if published == "ready":
            self._enter("ready")
            return True
        self._close(handlers.values())
        if published == "superseded":
            self._enter("superseded")
        else:
            self._leave()
        return False

    def _follow(self) -> None:
        """Close what nobody works with any more, until no replica works with an older version."""
        settled = False
        while not settled:
            change = self._roster.next_change(self.number)
            settled = change.settled
            if change.first and self.frame is None:
                self.frame, self.taken_s = change.first.frame, change.first.at - self._began
                self._enter("taken")
            self._close(change.old)
        if self.frame is not None:
            self._enter("done")
        elif self._roster.newest > self.number:
            self._enter("superseded")
        else:
            self._leave()

    def _leave(self) -> None:
        self.error = PipelineError("the function ended before its new version had a frame", where=self.stage)
        self._enter("unused")

    def _close(self, handlers: Iterable[Handler]) -> None:
        for handler in handlers:
            try:
                handler.close()
            except Exception as error:  # noqa: BLE001 - foreign code, and the pipeline no longer depends on it
                log.warning("an old version of '%s' did not close: %s", self.stage, error)

    def _enter(self, state: State) -> None:
        self.state = state
        if self._tell is not None:
            self._tell(self)
