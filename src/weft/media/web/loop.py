"""An event loop of a thread's own, for questions that another thread may end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

_Found = TypeVar("_Found")


@contextmanager
def running() -> Iterator[asyncio.Runner]:
    """An event loop that does not wait at its end for names that are still looked up: nobody can stop that."""
    names = ThreadPoolExecutor(1, thread_name_prefix="weft:names")
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(names)
        try:
            yield runner
        finally:
            names.shutdown(wait=False, cancel_futures=True)
            runner.get_loop().set_default_executor(ThreadPoolExecutor(1))


class Cancel:
    """Runs things in an event loop so that another thread can end them, now and from then on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    def run(self, runner: asyncio.Runner, what: Coroutine[Any, Any, _Found]) -> _Found:
        """Its result. Raises CancelledError when :meth:`now` was called."""
        return runner.run(self._watched(what))

    def now(self) -> None:
        """End what runs. Returns at once."""
        with self._lock:
            self._cancelled = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _watched(self, what: Coroutine[Any, Any, _Found]) -> _Found:
        task = asyncio.ensure_future(what)
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), task
            if self._cancelled:
                task.cancel()
        try:
            return await task
        finally:
            with self._lock:
                self._loop = self._task = None
