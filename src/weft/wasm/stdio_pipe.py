"""The pipe a stdio guest reads as its standard input: opened by name, as wasmtime wants it, and never waited for."""

from __future__ import annotations

import fcntl
import os
import select
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from weft.core.errors import UnavailableError

PIPE_SIZE = 1 << 20
"""Bytes of the pipe to the guest; what fits crosses in one write."""

_LOOK_EVERY = 0.05


class Pipe:
    """A named pipe nobody else can open. It has a reader until :meth:`guest_reads`, and a writer until ``close``.

    Attributes:
        path: what the guest opens.
    """

    def __init__(self) -> None:
        """Raises UnavailableError, with nothing left behind, where the system has no room for one."""
        self._reader = self._writer = -1
        try:
            self.path = Path(tempfile.mkdtemp(prefix="weft-")) / "stdin"
            self._open()
        except OSError as error:
            raise UnavailableError(
                f"cannot make a pipe to the guest: {error.strerror}",
                cure="make room for temporary files (TMPDIR), or allow more open files (ulimit -n)",
            ) from error

    def guest_reads(self) -> None:
        """The guest holds the only reading end from here on, so that its end shows as a broken pipe."""
        reader, self._reader = self._reader, -1
        if reader >= 0:
            os.close(reader)

    def write(self, data: bytes, deadline: float, alive: Callable[[], bool]) -> None:
        """Write all of it, but no longer than ``deadline``, and only to a guest that is ``alive``."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._writer, view) :]
            except BlockingIOError:
                if not self._wait_writable(deadline, alive):
                    return  # no answer will come either, which says why
            except BrokenPipeError:
                return

    def end(self) -> None:
        """End of input."""
        writer, self._writer = self._writer, -1
        if writer >= 0:
            os.close(writer)

    def remove(self) -> None:
        """Leave nothing behind on disk."""
        with suppress(OSError):
            self.path.unlink()
        with suppress(OSError):
            self.path.parent.rmdir()

    def give_up(self) -> None:
        """There will be no guest."""
        self.guest_reads()
        self.end()
        self.remove()

    def _open(self) -> None:
        try:
            os.mkfifo(self.path, 0o600)
            self._reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
            self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            self.give_up()
            raise
        with suppress(OSError, AttributeError):  # not every system lets a pipe grow
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)

    def _wait_writable(self, deadline: float, alive: Callable[[], bool]) -> bool:
        poller = select.poll()
        poller.register(self._writer, select.POLLOUT)
        while alive() and time.monotonic() < deadline:
            if poller.poll(_LOOK_EVERY * 1000):
                return True
        return False
