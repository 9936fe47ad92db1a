"""The endpoint everything waits for: ``POST /v2/models/M[/versions/V]/infer``."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from weft.serve.call import Call, ClientGoneError
from weft.serve.caller import Caller
from weft.serve.models.request import InferRequest
from weft.serve.models.service import Models
from weft.serve.oip.answered import pieces_of
from weft.serve.oip.asked import Asked, header_length, read, request_of
from weft.serve.oip.packing import accepted, packed, unpacked_of

T = TypeVar("T")

_WATCHED_AFTER_S = 0.02
_ASIDE = 64 * 1024
"""Bytes of JSON, or of what is to be compressed, from which the work is done on another thread."""


async def infer(call: Call, models: Models, model: str, version: str) -> None:
    """Answer one inference."""
    call.route, call.subject = "infer", model
    call.caller.require("infer", "model", model)  # before its body is looked at
    found = models.version(model, version)
    length = header_length(call.headers.get("inference-header-content-length"))
    body = await call.body(aligned_at=length or 0)
    found.check_room()
    if (encoding := call.headers.get("content-encoding", "identity").lower()) != "identity":
        body = await unpacked_of(call, body, encoding, call.services.settings.max_body)
    asked, request = await _aside(length or len(body), _asked, body, length, model, version, call.caller)
    response = await while_wanted(call, models.infer(request))
    written = sum(tensor.nbytes for name, tensor in response.outputs.items() if not asked.binary(name))
    pieces, headers = await _aside(written, pieces_of, response, asked)
    if encoding := accepted(call.headers.get("accept-encoding", "")):
        size = sum(map(len, pieces))
        pieces = [await _aside(size, packed, pieces, encoding)]
        headers.append((b"content-encoding", encoding.encode()))
    await call.answer(200, pieces, headers)


def _asked(
    body: memoryview, length: int | None, model: str, version: str, caller: Caller
) -> tuple[Asked, InferRequest]:
    asked, rest = read(body, length)
    return asked, request_of(asked, rest, model, version, caller)


async def while_wanted(call: Call, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns; it is cancelled, and ClientGoneError raised, when the client goes away before."""
    watch = _Watch(call)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.stop():
            raise ClientGoneError from None
        raise
    finally:
        watch.stop()


class _Watch:
    """Cancels the task it is made in when the client goes away. Most work ends sooner than watching would pay."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._task = asyncio.current_task()
        self._gone = False
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER_S, self._start)

    def stop(self) -> bool:
        """End it; whether it is why the task was cancelled."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._gone and self._task is not None:
            self._task.uncancel()
        gone, self._gone = self._gone, False
        return gone

    def _start(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        await self._call.until_gone()
        if self._task is not None:
            self._gone = True
            self._task.cancel()


async def _aside(size: int, work: Any, *args: Any) -> Any:
    return await asyncio.to_thread(work, *args) if size > _ASIDE else work(*args)
