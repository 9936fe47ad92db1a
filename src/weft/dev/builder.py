"""Builds functions in the background, one at a time; one that changes while it is built is built again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread

from weft.core.clock import monotonic
from weft.core.errors import WeftError
from weft.dev.messages import Outcome
from weft.toolchains.compiling import build

CLOSE_WITHIN = 5.0
"""Seconds that closing waits for a compiler."""


class Builder:
    """``done`` is called on the builder's thread."""

    def __init__(self, done: Callable[[Outcome], object], *, debug: bool = False) -> None:
        self._done = done
        self._debug = debug
        self._wanted: dict[Path, None] = {}
        self._busy = False
        self._closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="weft-builder", daemon=True)
        self._thread.start()

    def request(self, folder: Path) -> None:
        """Have a folder built; asked for several times before its turn comes, once."""
        with self._changed:
            self._wanted[folder] = None
            self._changed.notify()

    @property
    def idle(self) -> bool:
        """Nothing is being built, and nothing waits to be."""
        with self._changed:
            return not self._busy and not self._wanted

    def close(self) -> None:
        """Build nothing more; what is under way has ``CLOSE_WITHIN`` to end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_WITHIN)

    def _run(self) -> None:
        while (folder := self._next()) is not None:
            self._done(self._build(folder))

    def _next(self) -> Path | None:
        with self._changed:
            self._busy = False
            self._changed.wait_for(lambda: self._wanted or self._closed)
            if self._closed:
                return None
            self._busy = True
            folder = next(iter(self._wanted))
            del self._wanted[folder]
            return folder

    def _build(self, folder: Path) -> Outcome:
        try:
            built = build(_as_written(folder), debug=self._debug)
        except WeftError as error:
            return Outcome(folder, monotonic(), error=error)
        return Outcome(folder, monotonic(), built)


def _as_written(folder: Path) -> Path:
    """A folder below the current one as people write it: it stands in the compiler's errors."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
