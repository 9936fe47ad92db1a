"""Errors as gRPC clients get them: a code, a text, and when to ask again."""

from __future__ import annotations

from typing import Any

import grpc

from weft.core.errors import BusyError, WeftError
from weft.serve.answers import status_of, told
from weft.serve.grpc.proto import message

_MOST = 1000
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""By the HTTP status of an error; whatever else is INTERNAL."""

Metadata = tuple[tuple[str, str | bytes], ...]


def code_of(error: WeftError) -> Any:
    """The status code of an error."""
    return _CODES.get(status_of(error), grpc.StatusCode.INTERNAL)


def text_of(error: WeftError) -> str:
    """What a client is told; short enough for a header, whatever the client called its model."""
    return told(error)[:_MOST]


def metadata_of(error: WeftError) -> Metadata:
    """The trailing metadata of an error: when to ask again, for clients that retry and for those that look."""
    if not isinstance(error, BusyError):
        return ()
    wait_ms = max(1, round(error.retry_after_s * 1000))
    info = message("google.rpc.RetryInfo")()
    info.retry_delay.seconds, info.retry_delay.nanos = wait_ms // 1000, wait_ms % 1000 * 1_000_000
    status = message("google.rpc.Status")(code=code_of(error).value[0], message=text_of(error))
    status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=info.SerializeToString())
    return (("grpc-retry-pushback-ms", str(wait_ms)), ("grpc-status-details-bin", status.SerializeToString()))
