"""The site a pipeline joins, and what it shares there."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from weft.spec.delivery import DELIVERY, LATEST, SCOPE, SPOOL, Delivery, Scope, SpoolUse
from weft.spec.endpoints import MAX_INPUTS
from weft.spec.values import MAX_NAME, AsTuple, FilePath, Part, StreamPattern, mistake

MAX_ENDPOINTS = 16

_ENDPOINT = re.compile(r"([a-z][a-z0-9-]*/)?[^\s/?#;]+")
_UNIX = re.compile(r"unixsock-stream/\S+")
_SITE = re.compile(r"[\w.-]+")


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text) and not _UNIX.fullmatch(text):
        raise mistake(f"'{text[:MAX_NAME]}' is no endpoint", "write it like quic/edge:7447")
    return text


def _site(name: str) -> str:
    if len(name) > MAX_NAME or not _SITE.fullmatch(name):
        raise mistake(f"'{name[:MAX_NAME]}' is no site's name", "use letters, digits, '_', '-' and '.'")
    return name


Endpoint = Annotated[str, AfterValidator(_endpoint)]
"""Where to connect or listen, such as ``quic/edge:7447``; ``edge`` is short for that."""
SiteName = Annotated[str, AfterValidator(_site)]
"""The name of a site."""


class SiteUse(Part):
    """The site whose streams the pipeline shares.

    What the document emits is published there, and an input that nobody in the document emits is taken from there.
    `weft run --connect` and the options beside it go before what is written here.
    """

    connect: Annotated[tuple[Endpoint, ...], AsTuple] = Field(
        default=(), max_length=MAX_ENDPOINTS, description="Routers to connect to, such as `quic/edge:7447`."
    )
    listen: Annotated[tuple[Endpoint, ...], AsTuple] = Field(
        default=(), max_length=MAX_ENDPOINTS, description="Where others may connect to, such as `quic/0.0.0.0:7448`."
    )
    site: SiteName = Field(default="site", description="The site's name. Streams that are not global stay within it.")
    cert: FilePath | None = Field(
        default=None,
        description="The certificate, a file from `weft cert`; if absent, `$WEFT_CERT`, or the one in this user's "
        "settings.",
    )
    access: FilePath | None = Field(
        default=None,
        description="Rules for those who connect to `listen`, a document as for `weft router --access`; they may do "
        "everything if absent.",
    )
    share: Annotated[tuple[StreamPattern, ...], AsTuple] | None = Field(
        default=None,
        max_length=MAX_INPUTS,
        description="Which of the streams it emits are published; all if absent, none for `[]`. Those that a `stream` "
        "sink takes are published by that alone.",
    )
    delivery: Delivery = Field(default="live", description=DELIVERY)
    latest: bool = Field(default=False, description=LATEST)
    scope: Scope = Field(default="site", description=SCOPE)
    spool: SpoolUse = Field(default_factory=SpoolUse, description=SPOOL)
