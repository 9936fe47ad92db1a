"""The exception tree. Every error Weft raises on purpose is one of these.

::

    WeftError                     exit 1    base: what happened, where, and the cure
    ├── UsageError                exit 64   the call or command line is wrong
    ├── DocumentError             exit 78   a YAML document has mistakes; lists all of them
    ├── InputError                exit 65   bytes that are not what they claim to be
    │   ├── ModuleError                     no wasm, unknown import, unknown ABI
    │   ├── ModelError                      truncated, unreadable or unknown model
    │   ├── TensorError                     wrong dtype, shape or size of a tensor
    │   ├── MediaError                      a picture or video that does not decode
    │   ├── SizeError                       more bytes than are taken
    │   └── StalledError                    input that began and did not go on in time
    ├── NotFoundError             exit 66   a file, stream or model that is not there
    ├── UnavailableError          exit 69   an engine, device or package this machine lacks
    │   ├── BusyError             exit 75   no room now; the same may work a moment later
    │   │   └── RateLimitError              the caller asked more often than it may
    │   └── OverdueError          exit 75   it took longer than it may
    ├── OutputError               exit 73   a result cannot be written
    ├── DeniedError               exit 77   a capability that was not granted
    │   └── IdentityError                   who asks is not known, or cannot prove it
    ├── PipelineError             exit 1    a pipeline stopped because a stage said so
    └── GuestError                exit 70   the guest failed on a frame
        ├── GuestTrap                       unreachable, out of bounds, stack overflow …
        ├── GuestExit                       a command ended with a non-zero code
        ├── GuestFailed                     ``weft_handle`` returned non-zero
        └── LimitError                      the guest hit a limit
            ├── TimeLimitError    exit 124  (as timeout(1))
            ├── MemoryLimitError
            └── OutputLimitError

The exit codes are those of ``sysexits.h`` so that they stay clear of the small numbers
guests use for themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class WeftError(Exception):
    """Base of all errors: ``what`` happened, ``where`` (file, function, stream), and the ``cure``."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.cure = cure

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  cure: {self.cure}" if self.cure else head

    def at(self, where: str) -> WeftError:
        """The same error, with ``where`` set if it was not known at the raise; returns itself."""
        self.where = self.where or where
        return self

    def record(self) -> dict[str, object]:
        """The error as plain data, for logs and error streams."""
        return {"error": type(self).__name__, "what": self.what, "where": self.where, "cure": self.cure}


class UsageError(WeftError):
    """The call or command line is wrong."""

    exit_code = 64


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document: where it stands and what would be right."""

    path: str
    message: str
    line: int = 0
    cure: str = ""

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        cure = f" ({self.cure})" if self.cure else ""
        return f"{line}{self.path}: {self.message}{cure}"


class DocumentError(WeftError):
    """A document has mistakes; ``problems`` holds all of them, in the order of their lines."""

    exit_code = 78

    def __init__(self, problems: Sequence[Problem], *, where: str = "", cure: str = "") -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        count = len(self.problems)
        head = f"{count} mistake{'s' if count != 1 else ''}"
        super().__init__("\n  ".join([head, *map(str, self.problems)]), where=where, cure=cure)

    def record(self) -> dict[str, object]:
        """As :meth:`WeftError.record`, with the problems as a list."""
        problems = [{"line": p.line, "path": p.path, "message": p.message, "cure": p.cure} for p in self.problems]
        return {**super().record(), "problems": problems}


class InputError(WeftError):
    """Bytes that are not what they claim to be."""

    exit_code = 65


class ModuleError(InputError):
    """Not a WebAssembly module Weft can run."""


class ModelError(InputError):
    """A model that cannot be read or run."""


class TensorError(InputError):
    """A tensor of the wrong dtype, shape or size."""


class MediaError(InputError):
    """A picture or video that does not decode."""


class SizeError(InputError):
    """More bytes than are taken."""


class StalledError(InputError):
    """Input that began and did not go on in time."""


class NotFoundError(WeftError):
    """A file, stream or model that is not there."""

    exit_code = 66


class UnavailableError(WeftError):
    """An engine, device or package this machine does not have."""

    exit_code = 69


class BusyError(UnavailableError):
    """There is no room for it now; the same may work after ``retry_after_s`` seconds."""

    exit_code = 75

    def __init__(self, what: str, *, retry_after_s: float = 1.0, where: str = "", cure: str = "") -> None:
        super().__init__(what, where=where, cure=cure)
        self.retry_after_s = retry_after_s


class RateLimitError(BusyError):
    """The caller asked more often than it may."""


class OverdueError(UnavailableError):
    """It took longer than it may."""

    exit_code = 75


class OutputError(WeftError):
    """A result that cannot be written."""

    exit_code = 73


class DeniedError(WeftError):
    """A capability the function was not granted."""

    exit_code = 77


class IdentityError(DeniedError):
    """Who asks is not known, or cannot prove it."""


class PipelineError(WeftError):
    """A pipeline that stopped because one of its stages said so."""


class GuestError(WeftError):
    """The guest failed on a frame; the process and the next frame are fine."""

    exit_code = 70


class GuestTrap(GuestError):
    """The guest trapped: unreachable, out of bounds, stack overflow, division by zero."""


class GuestExit(GuestError):
    """A command guest ended with a non-zero ``code``."""

    def __init__(self, code: int, reason: str = "", *, where: str = "", cure: str = "") -> None:
        super().__init__(f"exited with code {code}{reason}", where=where, cure=cure)
        self.code = code


class GuestFailed(GuestError):
    """The guest refused the frame: ``weft_handle`` or ``weft_init`` returned non-zero."""


class LimitError(GuestError):
    """The guest hit one of its limits."""


class TimeLimitError(LimitError):
    """The guest ran longer than its time limit."""

    exit_code = 124


class MemoryLimitError(LimitError):
    """The guest needed more memory than its limit."""


class OutputLimitError(LimitError):
    """The guest wrote or emitted more than its limit."""
