"""Models that were put aside, loaded again: once, however many requests wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, Thread

from weft.core.errors import BusyError, OverdueError, WeftError
from weft.serve.models.version import Version


@dataclass(slots=True)
class _Awaited:
    future: futures.Future[None]
    waiting: int = 0


class Waking:
    """Calls ``wake`` on a thread of its own, once for all that wait. Safe to use from many threads."""

    def __init__(self, wake: Callable[[Version], None]) -> None:
        self._wake = wake
        self._awaited: dict[Version, _Awaited] = {}
        self._lock = Lock()

    @contextmanager
    def waiting_for(self, version: Version) -> Iterator[futures.Future[None]]:
        """Done when the version is loaded; it has what loading raised.

        Raises BusyError where as many wait as the model's queue holds, and OverdueError for the block's TimeoutError.
        """
        awaited = self._join(version)
        try:
            yield awaited.future
        except TimeoutError:
            version.counter.count("overdue")
            what = f"model '{version.where}' took longer to load than a request may wait"
            raise OverdueError(what, cure="ask again later, or allow it more time") from None
        finally:
            with self._lock:
                awaited.waiting -= 1

    def _join(self, version: Version) -> _Awaited:
        with self._lock:
            awaited = self._awaited.get(version)
            if awaited is not None and awaited.waiting > version.spec.queue:
                version.counter.count("refused")
                raise BusyError(f"{awaited.waiting} requests wait for model '{version.where}' to load")
            if awaited is None:
                awaited = self._awaited[version] = _Awaited(futures.Future())
                awaited.future.set_running_or_notify_cancel()  # one that stops waiting does not cancel it for all
                Thread(target=self._run, args=(version, awaited), name="weft:wake", daemon=True).start()
            awaited.waiting += 1
            return awaited

    def _run(self, version: Version, awaited: _Awaited) -> None:
        error: WeftError | None = None
        try:
            self._wake(version)
        except WeftError as caught:
            error = caught
        with self._lock:
            del self._awaited[version]
        if error is None:
            awaited.future.set_result(None)
        else:
            awaited.future.set_exception(error)
