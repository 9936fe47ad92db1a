"""The access log: a line for every request, once it is answered."""

from __future__ import annotations

import logging

from weft.core.text import visible
from weft.serve.call import Call

log = logging.getLogger("weft.serve.access")
_MOST = 200


def write_line(call: Call) -> None:
    """Who, what, the status, how long, and the bytes of both bodies. Nothing of the query: it may hold a secret."""
    took_ms = (call.ended - call.began) * 1e3
    path = visible(call.path[:_MOST])
    log.info(
        "%s %s %s %s %d %.1f ms %d B %d B",
        call.peer or "-",
        visible(call.caller.name),
        call.method,
        path,
        call.status,
        took_ms,
        call.taken,
        call.given,
    )
