"""A registry: the calls of the OCI distribution API, for one repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx

from weft.artifacts.auth import Authorizer
from weft.artifacts.digest import Descriptor, checked_digest, digest_of
from weft.artifacts.http import MAX_ANSWER, Call, Http, fault, read_body, same_origin
from weft.artifacts.manifest import ACCEPTED, MAX_MANIFEST, Index, Manifest, parse_manifest, read_json, too_large
from weft.artifacts.reference import OciReference
from weft.core.errors import InputError, NotFoundError, OutputError, UnavailableError, WeftError
from weft.core.text import visible

_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


class Registry:
    """A repository of a registry, for reading or also for writing."""

    def __init__(self, http: Http, reference: OciReference, *, write: bool = False) -> None:
        self.http = http
        self.reference = reference
        local = reference.is_local
        self._scheme = (
            "http" if http.settings.plain_http or (local and not reference.host.endswith(":443")) else "https"
        )
        self.host = _HUB.get(reference.host, reference.host)
        single = self.host != reference.host and "/" not in reference.repository
        self.repository = f"library/{reference.repository}" if single else reference.repository
        self._scope = f"repository:{self.repository}:{'pull,push' if write else 'pull'}"
        self._more: str = ""
        self._auth = Authorizer(http, reference.host)

    def url(self, path: str) -> str:
        """Where something of the repository is, such as ``manifests/latest``."""
        return f"{self._scheme}://{self.host}/v2/{self.repository}/{path}"

    def may_mount(self, other: str) -> None:
        """Blobs of another repository of this registry are to be read, too."""
        self._more = f" repository:{other}:pull"

    async def ping(self) -> None:
        """Raises UnavailableError, DeniedError, and NotFoundError where there is no registry."""
        async with self.stream(Call("GET", f"{self._scheme}://{self.host}/v2/")):
            return

    async def manifest(self, wanted: str) -> Manifest | Index:
        """The manifest or index of a tag or digest, checked against its digest and the one the registry gives.

        Raises NotFoundError, InputError, DeniedError, UnavailableError.
        """
        where = self._where(wanted)
        call = Call("GET", self.url(f"manifests/{wanted}"), {"Accept": ", ".join(ACCEPTED)})
        response, raw = await self.read(call, MAX_MANIFEST, where)
        found = digest_of(raw)
        said = response.headers.get("docker-content-digest", found)
        expected = wanted if wanted.startswith("sha256:") else said
        if expected.startswith("sha256:") and found != expected:
            what = f"the manifest's digest is {found}, not {expected}"
            raise InputError(what, where=where, cure="it was changed on its way or in the registry: do not use it")
        return parse_manifest(raw, where, response.headers.get("content-type", ""))

    async def manifest_digest(self, wanted: str) -> str | None:
        """The digest that a tag stands for now; None where the registry has no such tag, or does not say."""
        call = Call("HEAD", self.url(f"manifests/{wanted}"), {"Accept": ", ".join(ACCEPTED)}, also=(404,))
        async with self.stream(call) as response:
            digest = response.headers.get("docker-content-digest")
            return checked_digest(digest, self._where(wanted)) if digest and response.status_code == 200 else None

    async def has_blob(self, digest: str) -> bool:
        """Whether the repository has a blob."""
        async with self.stream(Call("HEAD", self.url(f"blobs/{digest}"), also=(404,))) as response:
            return response.status_code == 200

    def blob(self, part: Descriptor) -> Call:
        """The call that gets a blob."""
        return Call("GET", self.url(f"blobs/{part.digest}"))

    async def small_blob(self, part: Descriptor) -> bytes:
        """A blob of at most 1 MiB, checked. Raises as :meth:`manifest`."""
        where = self._where(part.digest)
        _, data = await self.read(self.blob(part), min(MAX_ANSWER, part.size), where)
        if digest_of(data) != part.digest:
            raise InputError("it is not what its digest says", where=where, cure="do not use this artifact")
        return data

    async def mount(self, digest: str, origin: str) -> str:
        """Have a blob of another repository here, too: an empty text; or where it is to be sent instead."""
        return await self._begin({"mount": digest, "from": origin})

    async def begin(self) -> str:
        """Where a blob is to be sent."""
        return await self._begin({})

    async def _begin(self, query: dict[str, str]) -> str:
        asked = f"?{urlencode(query)}" if query else ""
        call = Call("POST", self.url(f"blobs/uploads/{asked}"), {"Content-Length": "0"})
        async with self.stream(call) as response:
            return "" if response.status_code == 201 else self.next_place(call.url, response)

    def next_place(self, asked: str, response: httpx.Response) -> str:
        """Where an upload goes on. Raises InputError where the registry does not say."""
        location = response.headers.get("location")
        if not location:
            raise InputError("the registry does not say where to send it", where=self._where(), cure="tell who runs it")
        return str(httpx.URL(asked).join(location))

    async def put_manifest(self, raw: bytes, media_type: str, names: tuple[str, ...]) -> None:
        """Put a manifest under its digest, or tags. Raises OutputError where the registry refuses it."""
        for name in names:
            call = Call("PUT", self.url(f"manifests/{name}"), {"Content-Type": media_type}, lambda: raw)
            async with self.stream(call) as response:
                said = response.headers.get("docker-content-digest", digest_of(raw))
            if said != digest_of(raw):
                cure = "tell who runs the registry"
                raise OutputError(f"the registry keeps it as {said}", where=self._where(name), cure=cure)

    async def read(self, call: Call, most: int, where: str) -> tuple[httpx.Response, bytes]:
        """The answer to a call with its whole body, of at most ``most`` bytes."""
        for pause in self.http.pauses():
            try:
                async with self.stream(call) as response:
                    length = response.headers.get("content-length", "0")
                    if most == MAX_MANIFEST and length.isdecimal() and int(length) > most:
                        raise too_large(where)
                    return response, await read_body(response, most, where)
            except httpx.TransportError as error:
                await self.http.wait(pause, fault(error, where))
        raise AssertionError("the last pause raises")

    @asynccontextmanager
    async def stream(self, call: Call, *, retry: bool = True) -> AsyncIterator[httpx.Response]:
        """The answer to a call, authorised if the registry asks for that. Raises for what is no success."""
        scope = self._scope + self._more
        own = same_origin(call.url, self.url(""))
        used = self._auth.known(scope) if own else ""
        async with self.http.stream(replace(call, authorization=used), retry=retry) as response:
            # Where to send the password, the registry alone may say: nobody it leads to.
            if response.status_code != 401 or not same_origin(str(response.url), self.url("")):
                await self._check(response, call)
                yield response
                return
            challenge = response.headers.get("www-authenticate", "")
        used = await self._auth.answer(challenge, scope, used)
        async with self.http.stream(replace(call, authorization=used), retry=retry) as response:
            await self._check(response, call)
            yield response

    async def _check(self, response: httpx.Response, call: Call) -> None:
        status = response.status_code
        if 200 <= status < 300 or status in call.also:
            return
        said = await _said(response)
        if status in (401, 403):
            error: WeftError = self._auth.refused()
        elif status == 404:
            cure = f"check the name and the tag{said}"
            error = NotFoundError("the registry has nothing of this name", where=self._where(call.url), cure=cure)
        elif call.method in ("GET", "HEAD"):
            error = UnavailableError(f"the registry answered {status}{said}", where=call.shown, cure="try again later")
        else:
            cure = "check the repository's name and this user's rights"
            error = OutputError(f"the registry refused it with {status}{said}", where=call.shown, cure=cure)
        raise error

    def _where(self, wanted: str = "") -> str:
        """How errors call it."""
        place = self.reference.place
        if wanted.startswith("sha256:"):
            return f"{place}@{wanted}"
        if wanted.startswith("http"):
            return self.reference.name
        return f"{place}:{wanted}" if wanted else place


async def _said(response: httpx.Response) -> str:
    """What a registry says of an error, made fit for people."""
    try:
        data: dict[str, Any] = read_json(await read_body(response, MAX_ANSWER, ""), "")
        first = data["errors"][0]
        text = f"{first.get('code', '')} {first.get('message', '')}".strip()
    except (WeftError, httpx.TransportError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    return f": {visible(text)[:200]}" if text else ""
