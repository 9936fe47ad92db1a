"""Files that come from no registry: of Hugging Face, or at a URL with a digest. In the store they are artifacts."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from weft.artifacts.digest import Descriptor, digest_of
from weft.artifacts.download import Download, Open, download
from weft.artifacts.http import Call, Http, same_origin
from weft.artifacts.kinds import TITLE
from weft.artifacts.manifest import EMPTY, MANIFEST, Manifest, parse_manifest, write_json
from weft.artifacts.reference import HubReference, UrlReference
from weft.artifacts.store import Store
from weft.core.errors import DeniedError, InputError, NotFoundError, UnavailableError, WeftError

FILE_TYPE = "application/vnd.weft.file.v1"
TOKEN = "HF_TOKEN"
MAX_SMALL = 64 << 20
"""Bytes of a file of which the hub gives no SHA-256: such are held in memory until they are checked."""

_HEX = re.compile(r"[0-9a-f]+")
_MOVED = (301, 302, 303, 307, 308)
_LINKED = {"x-repo-commit", "x-linked-etag", "x-linked-size"}
"""What a redirection must say to be the answer; its length, say, is its own."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the hub: the commit it is of, what it must be, and its size.

    Attributes:
        etag: SHA-256 as 64 hex digits, or for small files git's SHA-1 as 40.
    """

    commit: str
    etag: str
    size: int


async def bring_url(http: Http, store: Store, reference: UrlReference) -> Manifest:
    """The file at a URL, in the store, as an artifact. Raises as :func:`weft.artifacts.download.download`."""
    name = PurePosixPath(unquote(urlsplit(reference.url).path)).name or "file"
    known = store.path(reference.digest)
    size = known.stat().st_size if known.is_file() else await _size(http, reference)
    part = Descriptor("application/octet-stream", reference.digest, size, {TITLE: name})
    store.check_fits(size, reference.name)
    await download(http, store, Download(Call("GET", reference.url), part, _opening(http), name, reference.url))
    return _as_artifact(store, part, reference.name)


async def _size(http: Http, reference: UrlReference) -> int:
    """How large the server says that the file is; it is held to that."""
    for method in ("HEAD", "GET"):  # some servers refuse HEAD
        async with http.stream(Call(method, reference.url, also=(405, 501, 403))) as response:
            if response.status_code in (403, 405, 501) and method == "HEAD":
                continue
            check_status(response, reference.url)
            length = response.headers.get("content-length", "")
            if length.isdecimal():
                return int(length)
    what = "the server does not say how large the file is"
    raise InputError(what, where=reference.url, cure="download it otherwise, and give its path")


async def bring_hub(http: Http, store: Store, reference: HubReference) -> tuple[Manifest, str]:
    """A file of the hub, in the store, as an artifact; and the commit it is of. Raises as :func:`bring_url`."""
    found = await look_up(http, reference)
    store.check_fits(found.size, reference.name)
    name = PurePosixPath(reference.path).name
    call = Call("GET", reference.url(found.commit), authorization=_token())
    if len(found.etag) == 64:
        part = Descriptor("application/octet-stream", f"sha256:{found.etag}", found.size, {TITLE: name})
        await download(http, store, Download(call, part, _opening(http), name, reference.name))
    else:
        part = await _small(http, store, reference, call, found)
    return _as_artifact(store, part, reference.name), found.commit


async def look_up(http: Http, reference: HubReference) -> Found:
    """What the hub says of a file, without its content. Raises NotFoundError, DeniedError, InputError."""
    call = Call("HEAD", reference.url(), authorization=_token(), also=_MOVED)
    for _ in range(5):
        async with http.stream(call) as response:
            headers, target = response.headers, urljoin(call.url, response.headers.get("location", ""))
            if response.status_code in _MOVED and not set(headers) >= _LINKED and same_origin(call.url, target):
                call = replace(call, url=target)  # another name of the repository, or where the hub keeps small files
                continue
            check_status(response, reference.name, hub=True)
            return _found(headers, reference)
    raise InputError("the hub leads from one address to the next", where=reference.name, cure="check the name")


def _found(headers: httpx.Headers, reference: HubReference) -> Found:
    commit = headers.get("x-repo-commit", "")
    etag = (headers.get("x-linked-etag") or headers.get("etag", "")).removeprefix("W/").strip('"')
    size = headers.get("x-linked-size") or headers.get("content-length", "")
    if not _HEX.fullmatch(commit) or len(etag) not in (40, 64) or not _HEX.fullmatch(etag) or not size.isdecimal():
        cure = "check HF_ENDPOINT; or download it otherwise, and give its path"
        raise InputError("the hub does not say what the file must be", where=reference.name, cure=cure)
    return Found(commit, etag, int(size))


async def _small(http: Http, store: Store, reference: HubReference, call: Call, found: Found) -> Descriptor:
    """A file that the hub knows by git's digest: SHA-1 of a header and the bytes."""
    if found.size > MAX_SMALL:
        what = "the hub gives no SHA-256 of so large a file"
        raise InputError(what, where=reference.name, cure="download it otherwise, and give its path")
    response, data = await http.read(call, found.size)
    check_status(response, reference.name, hub=True)
    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    if git != found.etag:
        what = f"its digest is {git}, not {found.etag}"
        raise InputError(what, where=reference.name, cure="it was changed on its way: try again")
    blob = store.add(data)
    return Descriptor("application/octet-stream", blob.digest, blob.size, {TITLE: PurePosixPath(reference.path).name})


def check_status(response: httpx.Response, where: str, *, hub: bool = False) -> None:
    """Raises for an answer that is neither a success nor a redirection."""
    status = response.status_code
    if status < 400:
        return
    said = response.headers.get("x-error-message", "")[:200]
    more = f": {said}" if said else ""
    if status in (401, 403):
        cure = (
            f"check the name, or set {TOKEN} to a token that may read it"
            if hub
            else "Weft sends no passwords there: download it otherwise"
        )
        error: WeftError = DeniedError(f"the server answered {status}{more}", where=where, cure=cure)
    elif status in (404, 410):
        error = NotFoundError(f"the server has no such file{more}", where=where, cure="check the name")
    else:
        error = UnavailableError(f"the server answered {status}{more}", where=where, cure="try again later")
    raise error


def _opening(http: Http) -> Open:
    @asynccontextmanager
    async def opened(call: Call) -> AsyncIterator[httpx.Response]:
        """The response to a call. Raises as :func:`check_status`."""
        async with http.stream(call) as response:
            if response.status_code not in call.also:
                check_status(response, call.shown)
            yield response

    return opened


def _as_artifact(store: Store, part: Descriptor, name: str) -> Manifest:
    config = store.add(b"{}")
    manifest = write_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": FILE_TYPE,
            "config": Descriptor(EMPTY, config.digest, config.size).record(),
            "layers": [part.record()],
            "annotations": {"weft.origin": name},
        }
    )
    store.add(manifest)
    made = parse_manifest(manifest, name)
    assert isinstance(made, Manifest)
    assert made.digest == digest_of(manifest)
    return made


def _token() -> str:
    token = os.environ.get(TOKEN, "").strip()
    return f"Bearer {token}" if token else ""
