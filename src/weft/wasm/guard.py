"""The host-function guard: a host function returns a number, whatever happens in it.

A guest must not be able to make the host raise, and an exception must never pass through wasm frames. So a
host function says no by raising :class:`Refusal`; the guard turns that, and every error of the layers below,
into the host module's own errno and leaves the reason with the instance, for the error a person will read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, get_args

from weft.core.errors import (
    DeniedError,
    InputError,
    MediaError,
    NotFoundError,
    TensorError,
    UnavailableError,
    UsageError,
    WeftError,
)
from weft.wasm.native import Stop

Kind = Literal[
    "invalid", "outside", "encoding", "not_found", "too_small", "too_large", "denied", "unsupported", "busy", "failed"
]
"""What speaks against a call. "outside" is memory the guest lacks; a module without a word for it says "invalid"."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_KINDS: tuple[tuple[type[WeftError], Kind], ...] = (
    (DeniedError, "denied"),
    (NotFoundError, "not_found"),
    (TensorError, "invalid"),
    (UsageError, "invalid"),
    (MediaError, "failed"),
    (InputError, "encoding"),
    (UnavailableError, "unsupported"),
)


class Refusal(Exception):
    """A host function's no: the kind that becomes an errno, and the reason and what would help, for people."""

    def __init__(self, kind: Kind, reason: str = "", cure: str = "") -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason
        self.cure = cure


class Notes(Protocol):
    """Where reasons are kept."""

    def note(self, text: str, cure: str = "") -> None:
        """Keep one line, and what would help, for the error a person will read."""


def guarded(
    function: Callable[..., int | None], label: str, errno: Mapping[Kind, int], notes: Notes
) -> Callable[..., int]:
    """``function`` as the guest calls it: returns its result (None is 0), or an errno. Never raises but Stop."""

    def call(*args: int) -> int:
        try:
            return function(*args) or 0
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 - an engine or a codec may raise anything; the guest gets an errno
            refusal = refusal_of(error)
            if refusal.reason:
                notes.note(f"{label}: {refusal.reason}", refusal.cure)
            return errno.get(refusal.kind, errno["invalid"])

    return call


def refusal_of(error: Exception) -> Refusal:
    """What any error of a host function is to the guest, and why."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, WeftError):
        return Refusal(_kind_of(error), error.what, error.cure)
    return Refusal("failed", f"{type(error).__name__}: {error}")


def _kind_of(error: WeftError) -> Kind:
    """The kind of refusal that an error of the layers below amounts to."""
    return next((kind for cls, kind in _KINDS if isinstance(error, cls)), "failed")
