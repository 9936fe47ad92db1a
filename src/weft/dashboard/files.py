"""The files of the pages: read once, served with a tag that changes when they do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER = Path(__file__).parent / "page"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class File:
    """What is served."""

    body: bytes
    media_type: str
    tag: str


class Files:
    """All files of a folder that browsers may have; no path reaches beyond it, as names are looked up, not opened."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._all = {path.name: _read(path) for path in folder.iterdir() if path.suffix in TYPES}

    def answer(self, name: str, request: Request) -> Response:
        """A file, or that the browser has it already."""
        file = self._all.get(name)
        if file is None:
            return PlainTextResponse("there is no such page\n", 404)
        headers = {"etag": file.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)


def _read(path: Path) -> File:
    body = path.read_bytes()
    return File(body, TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:20]}"')
