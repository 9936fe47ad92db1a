"""Keeps an access document as its file is: looked at every second, and at once when the process gets SIGHUP."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from weft.serve.access.documented import DocumentAccess, stamp_of
from weft.serve.caller import Access

EVERY_S = 1.0


class Watch:
    """Looks whether a document's file is still the one that was read. ``wake`` and ``close`` are for other threads."""

    def __init__(self, access: DocumentAccess) -> None:
        assert access.path is not None, "it has no file"
        self._access = access
        self._path = access.path
        self._read = self._seen = access.stamp
        self._asked = self._ended = False
        self._woken = Event()

    def look(self) -> bool:
        """Read the file again if it has changed and is whole, or that is asked for; whether that was done.

        A file counts as whole when it is the same twice: one that is being written is left alone.
        """
        asked, self._asked = self._asked, False
        before, self._seen = self._seen, stamp_of(self._path)
        if not asked and (self._seen == self._read or self._seen != before):
            return False
        self._read = self._seen
        self._access.reload()
        return True

    def wake(self) -> None:
        """Read the file again now, changed or not."""
        self._asked = True
        self._woken.set()

    def close(self) -> None:
        """Make ``run`` return."""
        self._ended = True
        self._woken.set()

    def run(self) -> None:
        """Look every second until ``close``."""
        while not self._ended:
            self._woken.wait(EVERY_S)
            self._woken.clear()
            if not self._ended:
                self.look()


@contextmanager
def kept_current(access: Access) -> Iterator[None]:
    """While the block runs, a document that was loaded from a file is kept as that is. For the main thread."""
    if not isinstance(access, DocumentAccess) or access.path is None:
        yield
        return
    watch = Watch(access)
    thread = Thread(target=watch.run, name="weft:access", daemon=True)
    thread.start()
    # On a thread of its own: the one that is interrupted may be in the middle of the same.
    previous = signal.signal(signal.SIGHUP, lambda *_: Thread(target=watch.wake, daemon=True).start())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL if previous is None else previous)
        watch.close()
        thread.join()
