"""Errors as clients get them: a status and ``{"error": …}``; no traces, and no paths of this machine."""

from __future__ import annotations

import math

from weft.core import errors
from weft.core.errors import BusyError, WeftError

_STATUS: tuple[tuple[type[WeftError], int], ...] = (
    (errors.RateLimitError, 429),
    (errors.OverdueError, 504),
    (errors.UnavailableError, 503),
    (errors.IdentityError, 401),
    (errors.DeniedError, 403),
    (errors.NotFoundError, 404),
    (errors.SizeError, 413),
    (errors.StalledError, 408),
    (errors.ModelError, 500),
    (errors.ModuleError, 500),
    (errors.InputError, 400),
    (errors.UsageError, 400),
    (errors.DocumentError, 400),
    (errors.TimeLimitError, 504),
)
"""The first row that fits decides; whatever is in no row is 500."""

Header = tuple[bytes, bytes]


def status_of(error: WeftError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def told(error: WeftError) -> str:
    """What a client is told: what happened and the cure; where, unless that is a file."""
    where = error.where if error.where and "/" not in error.where and "\\" not in error.where else ""
    head = f"{where}: {error.what}" if where else error.what
    return f"{head} ({error.cure})" if error.cure else head


def headers_of(error: WeftError) -> list[Header]:
    """The headers that go with an error: ``Retry-After`` in whole seconds, ``WWW-Authenticate``."""
    if isinstance(error, BusyError):
        return [(b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode())]
    if isinstance(error, errors.IdentityError):
        return [(b"www-authenticate", b'Bearer realm="weft"')]
    return []
