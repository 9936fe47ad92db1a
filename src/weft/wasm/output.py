"""What a guest says: standard output, standard error and log lines, each bounded."""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from weft.core.errors import OutputError, OutputLimitError
from weft.core.text import visible
from weft.core.units import format_size

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

LAST_WORDS = 1024
"""Bytes of standard error kept for error messages."""

MAX_LINE = 4096
"""Bytes of one log line; the rest is cut."""


class Output(Protocol):
    """Where a guest's standard output and error go."""

    def stdout(self, data: bytes) -> int | None:
        """Take what was printed; a negative errno tells the guest it failed."""

    def stderr(self, data: bytes) -> int | None:
        """As :meth:`stdout`."""

    def last_words(self) -> str:
        """The end of standard error, for an error message."""

    def begin(self) -> None:
        """A new frame, a new allowance."""


class NoOutput:
    """The output of an instance that is closed."""

    def stdout(self, data: bytes) -> int | None:
        """Nothing is taken."""
        return -errno.EBADF

    stderr = stdout

    def last_words(self) -> str:
        """None."""
        return ""

    def begin(self) -> None:
        """No frame will come."""


NO_OUTPUT = NoOutput()


class Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self._data = b""

    def add(self, data: bytes) -> None:
        """Remember the end."""
        self._data = (self._data + data)[-LAST_WORDS:]

    def text(self) -> str:
        """The last lines on one line."""
        lines = self._data.decode(errors="replace").splitlines()[-3:]
        return " | ".join(visible(line.strip()) for line in lines if line.strip())

    def clear(self) -> None:
        """Forget."""
        self._data = b""


class Lines:
    """Bytes to lines, each at most ``MAX_LINE`` long."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""

    def add(self, data: bytes) -> None:
        """Pass on every line that is complete."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line[:MAX_LINE].decode(errors="replace"))
        self._rest = rest[:MAX_LINE]

    def flush(self) -> None:
        """Pass on what was printed without the end of its line."""
        if self._rest:
            self.add(b"\n")


class GuestLog:
    """A guest's log lines, at most ``per_frame``; more are dropped, and counted in ``dropped``."""

    __slots__ = ("_limit", "_lines", "_name", "dropped")

    def __init__(self, name: str, per_frame: int) -> None:
        self._name = name
        self._limit = per_frame
        self._lines = 0
        self.dropped = 0

    def begin(self) -> None:
        """A new frame, a new allowance."""
        if self._lines > self._limit:
            over = self._lines - self._limit
            self._logger().warning("%d log lines dropped (limits.logs is %d)", over, self._limit)
        self._lines = 0

    def line(self, level: int, text: str) -> None:
        """Log one line, cut to ``MAX_LINE`` characters and without control characters."""
        self._lines += 1
        if self._lines > self._limit:
            self.dropped += 1
        else:
            self._logger().log(level, "%s", visible(text[:MAX_LINE]))

    def _logger(self) -> logging.Logger:
        return logging.getLogger(f"weft.guest.{self._name}")


def told_traceback(text: str) -> str:
    """A guest's traceback for people: the line that says what happened, and then the others, indented."""
    lines = [visible(line) for line in text.splitlines() if line.strip()]
    if not lines:
        return "raised an error without a word"
    at = _what_happened(lines)
    others = [*lines[:at], *lines[at + 1 :]]
    return "\n  ".join([lines[at].strip(), *(others if len(others) > 1 else ())])


def _what_happened(lines: Sequence[str]) -> int:
    """The line of the exception: it follows the last place in the code, which is indented."""
    at = max((number for number, line in enumerate(lines) if line.startswith('  File "')), default=0)
    rest = range(at, len(lines))
    return next((n for n in rest if not lines[n].startswith((" ", "Traceback ("))), len(lines) - 1)


class Counted:
    """Counts printed bytes and stops the guest at its limit."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._limit = instance.settings.limits.stdout
        self._printed = 0

    def add(self, size: int) -> bool:
        """False when the limit is reached; the guest is then being stopped."""
        self._printed += size
        if self._printed <= self._limit:
            return True
        self._instance.stop(
            OutputLimitError(
                f"printed more than {format_size(self._limit)}",
                where=self._instance.settings.name,
                cure="raise limits.stdout, or look for what prints for ever",
            )
        )
        return False

    def clear(self) -> None:
        """A new frame, a new allowance."""
        self._printed = 0


class LoggedOutput:
    """For functions whose result is not what they print: both streams go to the log."""

    def __init__(self, instance: Instance, log: GuestLog) -> None:
        self._count = Counted(instance)
        self._log = log
        self._lines: dict[int, Lines] = {}
        self._tail = Tail()

    def stdout(self, data: bytes) -> int | None:
        """Log it."""
        return self._take(logging.INFO, data)

    def stderr(self, data: bytes) -> int | None:
        """Log it and remember the end."""
        self._tail.add(data)
        return self._take(logging.WARNING, data)

    def last_words(self) -> str:
        """The end of standard error."""
        return self._tail.text()

    def begin(self) -> None:
        """A new frame, a new allowance; a line still open ends here."""
        for lines in self._lines.values():
            lines.flush()
        self._count.clear()
        self._tail.clear()

    def _take(self, level: int, data: bytes) -> int | None:
        if not self._count.add(len(data)):
            return -errno.ENOSPC
        if level not in self._lines:
            self._lines[level] = Lines(functools.partial(self._log.line, level))
        self._lines[level].add(data)
        return None


class CapturedOutput:
    """For commands: standard output is the result, standard error goes to the log (or to ``echo``).

    Args:
        instance: whose limits count.
        log: where lines of standard error go.
        out: takes standard output as it comes, instead of keeping it.
        err: takes standard error as it comes, instead of logging it.
    """

    def __init__(
        self,
        instance: Instance,
        log: GuestLog,
        out: Callable[[bytes], object] | None = None,
        err: Callable[[bytes], object] | None = None,
    ) -> None:
        self._parts: list[bytes] = []
        self._count = Counted(instance)
        self._stop = instance.stop
        self._out = out or self._parts.append
        self._lines = Lines(functools.partial(log.line, logging.WARNING))
        self._err = err or self._lines.add
        self._tail = Tail()

    def stdout(self, data: bytes) -> int | None:
        """Keep it, within the limit."""
        return self._take(data, self._out)

    def stderr(self, data: bytes) -> int | None:
        """Pass it on and remember the end; it counts towards the same limit."""
        self._tail.add(data)
        return self._take(data, self._err)

    def last_words(self) -> str:
        """The end of standard error."""
        return self._tail.text()

    def begin(self) -> None:
        """A command lives for one frame: only a line still open is to end."""
        self._lines.flush()

    def result(self) -> bytes:
        """All that was printed to standard output."""
        return b"".join(self._parts)

    def _take(self, data: bytes, take: Callable[[bytes], object]) -> int | None:
        if not self._count.add(len(data)):
            return -errno.ENOSPC
        try:
            take(data)
        except BrokenPipeError as error:
            # Any other program would be ended by this; a guest may be deaf to errors, and print on for ever.
            self._stop(_reader_gone(error))
            return -errno.EPIPE
        except OSError as error:
            return -(error.errno or errno.EIO)
        return None


def _reader_gone(error: BrokenPipeError) -> OutputError:
    gone = OutputError("nobody reads the output any more", where="standard output", cure="keep the reader running")
    gone.__cause__ = error
    return gone
