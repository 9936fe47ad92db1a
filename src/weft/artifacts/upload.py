"""A blob from the store to a registry: not at all where it is there, else mounted, else in one piece or several."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from weft.artifacts.digest import PIECE, Descriptor
from weft.artifacts.http import Call
from weft.artifacts.registry import Registry
from weft.core.errors import InputError, UnavailableError


async def upload(registry: Registry, part: Descriptor, path: Path, name: str, origin: str = "") -> str:
    """Have a blob in a registry: ``there``, ``mounted`` from the repository ``origin``, or ``sent``.

    Raises OutputError where the registry refuses it, UnavailableError, DeniedError.
    """
    tell = registry.http.settings.tell
    how = "there"
    if not await registry.has_blob(part.digest):
        place = await registry.mount(part.digest, origin) if origin else await registry.begin()
        how = "sent" if place else "mounted"
        if place:
            await _Sending(registry, part, path, name).run(place)
    tell(name, part.size, part.size)
    return how


class _Sending:
    """One blob on its way."""

    def __init__(self, registry: Registry, part: Descriptor, path: Path, name: str) -> None:
        self._registry, self._part, self._path, self._name = registry, part, path, name
        self._http = registry.http

    async def run(self, place: str) -> None:
        """Send it; after a fault in one piece anew, in pieces from where the registry is."""
        if self._part.size > self._http.settings.chunk:
            place = await self._pieces(place)
            await self._finish(place, 0, 0)
            return
        for pause in self._http.pauses():
            try:
                await self._finish(place, 0, self._part.size)
            except UnavailableError as error:
                await self._http.wait(pause, error)
                place = await self._registry.begin()
                continue
            return

    async def _pieces(self, place: str) -> str:
        offset, pauses = 0, self._http.pauses()
        while offset < self._part.size:
            end = min(self._part.size, offset + self._http.settings.chunk)
            try:
                place = await self._piece(place, offset, end)
                offset, pauses = end, self._http.pauses()
            except UnavailableError as error:
                await self._http.wait(pauses.pop(0), error)
                place, offset = await self._standing(place)
        return place

    async def _piece(self, place: str, start: int, end: int) -> str:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start),
            "Content-Range": f"{start}-{end - 1}",
        }
        call = Call("PATCH", place, headers, lambda: self._read(start, end))
        async with self._registry.stream(call, retry=False) as response:  # sent twice, it would be there twice
            return self._registry.next_place(place, response)

    async def _standing(self, place: str) -> tuple[str, int]:
        """Where an upload goes on, and how many bytes the registry has."""
        async with self._registry.stream(Call("GET", place)) as response:
            _, dash, last = response.headers.get("range", "").rpartition("-")
            offset = int(last) + 1 if dash and last.isdecimal() and int(last) else 0
            if offset > self._part.size:
                what = "the registry has more than was sent"
                raise InputError(what, where=self._registry.reference.name, cure="push it again")
            return self._registry.next_place(place, response), offset

    async def _finish(self, place: str, start: int, end: int) -> None:
        """Say that it is whole, with its last bytes where there are some."""
        url = httpx.URL(place).copy_merge_params({"digest": self._part.digest})
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(end - start)}
        call = Call("PUT", str(url), headers, lambda: self._read(start, end))
        async with self._registry.stream(call, retry=False):
            return

    async def _read(self, start: int, end: int) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(start)
            while start < end:
                piece = file.read(min(PIECE, end - start))
                if not piece:
                    raise InputError("the blob is shorter than it was", where=str(self._path), cure="push it again")
                start += len(piece)
                self._http.settings.tell(self._name, start, self._part.size)
                yield piece
