"""``weft router``: where the machines of a site meet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from weft.stream.routing import Router

Words = Annotated[list[str], Parameter(negative="", show_default=False)]


def router(
    *,
    listen: Words = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    connect: Words = [],  # noqa: B006
    site: str = "site",
    name: Words = [],  # noqa: B006
    cert: Path | None = None,
    access: Path | None = None,
    metrics: str | None = None,
) -> int:
    """Run a router: the machines of a site connect to it, and it forwards their streams.

        weft router
        weft router --listen quic/0.0.0.0:7447 --name edge.example.com
        weft router --access rules.yaml --metrics 127.0.0.1:9464
        weft router --site north --connect quic/other:7447 --cert north.pem

    The first one makes the site's authority, which vouches for every device and is told by its fingerprint; `weft cert`
    issues a certificate per device. A router on another machine needs a certificate of the same authority.
    Who connects and who leaves is told on standard error. It runs until Ctrl-C.

    Parameters
    ----------
    listen
        Where devices connect to, such as quic/0.0.0.0:7447 (the default). Port 0 takes a free one.
    connect
        A router of another site to join, such as quic/other:7447.
    site
        The site's name. Streams that are not global stay within it.
    name
        One more name or address by which devices know this machine; those it knows of itself are always there.
    cert
        The router's certificate, a file from weft cert. By default the authority on this machine issues one.
    access
        The rules that say which certificate may do what with which streams, a YAML document. They are read once, at
        the start. Without any, who has a certificate may do everything.
    metrics
        Serve metrics for Prometheus at this address, such as 127.0.0.1:9464; port 0 takes a free one.
    """
    from weft.stream.routing import open_router

    places = tuple(listen) or ("quic/0.0.0.0:7447",)
    return _serve(lambda: open_router(places, tuple(connect), site, tuple(name), cert, access), metrics)


def _serve(start: Callable[[], Router], metrics: str | None) -> int:
    """Run what ``start`` opens until a signal ends it; its exit code."""
    from weft.cli import logs
    from weft.cli.observe import router_metrics
    from weft.cli.until import exit_code, signals
    from weft.stream.zenoh.told import listen_in

    logs.configure("info", "text")
    listen_in()
    ended = Event()
    with signals(ended.set) as heard, closing(start()) as running, router_metrics(running, metrics):
        sys.stdout.write("".join(f"{line}\n" for line in running.about()))
        sys.stdout.flush()
        ended.wait()
    return exit_code(heard)
