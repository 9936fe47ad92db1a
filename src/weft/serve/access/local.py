"""A server without an access document: open to this machine, and to nobody else unless somebody says so."""

from __future__ import annotations

import ipaddress
import os
from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlsplit

from weft.core.errors import DeniedError, UsageError
from weft.serve.caller import ANYONE, Access, Caller, OpenAccess

_CURE = "weft serve --open serves all who can reach it, --access FILE those whom it names"


def choose_access(
    document: str | os.PathLike[str] | None, host: str, *, is_open: bool, origins: tuple[str, ...]
) -> Access:
    """Who is let in: whom the document names; without one everybody, but only on this machine unless ``is_open``.

    Raises UsageError where it would be open to others unasked, and what loading the document raises.
    """
    if document is not None:
        from weft.serve.access.documented import DocumentAccess

        if is_open:
            raise UsageError("--open and --access exclude each other", cure="keep the one you mean")
        return DocumentAccess.load(document)
    if is_open:
        return OpenAccess()
    if not is_local(host):
        what = f"--host {host} lets others in, and nothing says who may do what"
        raise UsageError(what, cure="add --access FILE with keys and rights, or --open to serve everybody")
    return LocalAccess(origins)


class LocalAccess(OpenAccess):
    """Everybody on this machine, but not what pages in its browser do behind their user's back.

    A page may send requests to this machine from any site. Browsers say whose page it is, and by which name it
    reached the server; with a foreign page or name the request is refused.

    Attributes:
        counts: how many were refused (``foreign``).
    """

    def __init__(self, origins: tuple[str, ...] = ()) -> None:
        """``origins`` are those whose pages may ask."""
        self.counts: Counter[str] = Counter()
        self._origins = frozenset(origin.lower() for origin in origins)

    async def identify(self, headers: Mapping[str, str], peer: str, path: str = "") -> Caller:
        """``ANYONE``. Raises DeniedError for foreign pages and names."""
        host = headers.get("host")
        if host is not None and not is_local(name_in(host)):
            self.counts["foreign"] += 1
            raise DeniedError("this server is for this machine only, and was asked by another name", cure=_CURE)
        origin = headers.get("origin")
        if origin is not None and not self._may(origin.lower()):
            self.counts["foreign"] += 1
            raise DeniedError("a page of another origin asked", cure="weft serve --cors-origin lets its pages ask")
        return ANYONE

    def _may(self, origin: str) -> bool:
        return "*" in self._origins or origin in self._origins or is_local(urlsplit(origin).hostname or "")


def name_in(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_local(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
