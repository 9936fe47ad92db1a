"""Something a thread can wait for together with sockets, and another one can ring."""

from __future__ import annotations

import os
import threading


class Bell:
    """Rings once and for all. Rung or closed on any thread, in any order."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self.rung = False

    def ring(self) -> None:
        """Wake whoever waits, now and from now on."""
        with self._lock:
            self.rung = True
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def fileno(self) -> int:
        """Readable when it has rung."""
        return self._descriptor

    def close(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()
