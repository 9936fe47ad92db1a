"""A blob from a server to the store: hashed on its way, resumed where it was cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import httpx

from weft.artifacts.digest import PIECE, Descriptor, short
from weft.artifacts.http import Call, Http, fault
from weft.artifacts.incoming import Incoming
from weft.artifacts.store import BUSY_S, Store
from weft.core.errors import InputError, UnavailableError, WeftError
from weft.core.units import format_size

PROGRESS = 4 << 20
"""Bytes that a try must bring, if not all, for the tries to be counted anew."""

SYNC_EVERY = 64 << 20

Open = Callable[[Call], AbstractAsyncContextManager[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Download:
    """A blob that is wanted: the call that gets it, what opens the call, and how it is called."""

    call: Call
    part: Descriptor
    open: Open
    name: str
    where: str


async def download(http: Http, store: Store, wanted: Download) -> bool:
    """Bring a blob into the store; False when it is there already.

    A fault of the network leaves what came, for the next try. Raises InputError for bytes that are not the blob,
    UnavailableError, OutputError, and as the opening does.
    """
    part = wanted.part
    while True:
        if await asyncio.to_thread(store.has, part.digest, part.size):
            http.settings.tell(wanted.name, part.size, part.size)
            return False
        try:
            incoming = await asyncio.to_thread(store.receive, part.digest, part.size)
        except BlockingIOError:
            await asyncio.sleep(BUSY_S)
            continue
        with incoming:
            await _Receiving(http, incoming, wanted).run()
        return True


class _Receiving:
    """One blob on its way."""

    def __init__(self, http: Http, incoming: Incoming, wanted: Download) -> None:
        self._http, self._incoming, self._wanted = http, incoming, wanted
        self._synced = incoming.offset

    async def run(self) -> None:
        """Bring the blob into the store, on from where an earlier try was cut. Raises as :func:`download`."""
        resumed = self._incoming.offset > 0
        await asyncio.to_thread(self._incoming.check_room)
        await self._receive()
        if resumed and not self._incoming.right:
            self._incoming.restart()  # what an earlier try left was damaged, perhaps by a crash
            await self._receive()
        await asyncio.to_thread(self._incoming.commit)

    async def _receive(self) -> None:
        """All bytes, in as many tries as it takes while tries bring something."""
        pauses = self._http.pauses()
        while self._incoming.missing:
            before = self._incoming.offset
            error = await self._try()
            if error is None:
                continue
            if self._incoming.offset - before >= PROGRESS:
                pauses = self._http.pauses()
            await self._http.wait(pauses.pop(0), error)

    async def _try(self) -> WeftError | None:
        """As many bytes as come; the fault that cut them off, where it may be gone the next time."""
        offset = self._incoming.offset
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        call = replace(self._wanted.call, headers={**self._wanted.call.headers, **headers}, also=(416,))
        try:
            async with self._wanted.open(call) as response:
                if not self._begin(response, offset):
                    return None
                await self._take(response)
        except httpx.TransportError as error:
            return fault(error, self._wanted.where)
        if self._incoming.missing:
            return UnavailableError("the connection was cut", where=self._wanted.where, cure="try again")
        return None

    def _begin(self, response: httpx.Response, offset: int) -> bool:
        """Look at what the server will send; False where it cannot go on and it is begun anew."""
        size, status = self._wanted.part.size, response.status_code
        if status == 416 or (offset and status == 200) or (status == 206 and not _from(response, offset)):
            self._incoming.restart()
        if status == 416 or (status == 206 and not _from(response, offset)):
            if not offset:
                raise InputError("the server sends another part than was asked", where=self._wanted.where, cure=_TELL)
            return False
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) != self._incoming.missing:
            told = format_size(int(length))
            what = f"the server has {told}, where {format_size(size)} belong"
            self._incoming.discard()
            raise InputError(what, where=self._wanted.where, cure="it was changed, or the server is at fault")
        return True

    async def _take(self, response: httpx.Response) -> None:
        """Write while the next bytes come: hashing and writing happen on another thread."""
        writing: asyncio.Future[None] | None = None
        try:
            async for pieces in _gathered(response):
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(asyncio.to_thread(self._write, pieces))
        finally:
            if writing is not None:
                await asyncio.shield(writing)

    def _write(self, pieces: list[bytes]) -> None:
        self._incoming.write(pieces)
        if self._incoming.offset - self._synced >= SYNC_EVERY:
            self._incoming.sync()
            self._synced = self._incoming.offset
        self._http.settings.tell(self._wanted.name, self._incoming.offset, self._wanted.part.size)


_TELL = "the server is at fault: tell who runs it"


async def _gathered(response: httpx.Response) -> AsyncIterator[list[bytes]]:
    """The pieces of a body, in lists of about a mebibyte: each list costs a turn of a thread."""
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in response.aiter_raw():
            pieces.append(piece)
            size += len(piece)
            if size >= PIECE:
                yield pieces
                pieces, size = [], 0
    except httpx.TransportError:
        if pieces:
            yield pieces  # what came before the cut is kept
        raise
    if pieces:
        yield pieces


def _from(response: httpx.Response, offset: int) -> bool:
    return str(response.headers.get("content-range", "")).startswith(f"bytes {offset}-")


def name_of(part: Descriptor, name: str = "") -> str:
    """How progress calls a blob."""
    return name or short(part.digest)
