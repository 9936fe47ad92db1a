"""``weft view``: streams on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.site_options import SiteOptions

if TYPE_CHECKING:
    from weft.dashboard.server import PageServer
    from weft.stream.zenoh.session import ZenohStreams

PAGE = "127.0.0.1:8440"

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def view(
    pattern: str,
    /,
    *patterns: str,
    page: str = PAGE,
    open_: Annotated[bool, Parameter(name="--open", negative="", show_default=False)] = False,
    json: Switch = False,
    options: SiteOptions = SiteOptions(),
) -> int:
    """Show streams on a page: live pictures with their boxes and labels, and other streams as text.

        weft view cam/1 labels
        weft view 'cam/*' labels --connect quic/edge:7447 --open

    Prints the page's address and goes on until Ctrl-C. The page is for this machine alone, unless --page names an
    address that others reach; the address that is printed then has a token, without which nothing is shown.

    Parameters
    ----------
    pattern
        A stream, or a pattern such as 'cam/*' or '**'.
    patterns
        More of them.
    page
        Where the page is served, as HOST:PORT; port 0 takes one that is free.
    open_
        Open the page in a browser.
    json
        Print the address as JSON.
    """
    from weft.cli import logs
    from weft.flow.metrics_server import parse_address
    from weft.stream.names import check_patterns

    logs.configure("warning", "text")
    wanted = [pattern, *patterns]
    check_patterns(wanted)
    parse_address(page)
    return _show(wanted, page, options, lambda server: _tell(server, as_json=json, show=open_))


def _show(wanted: Sequence[str], page: str, options: SiteOptions, tell: Callable[[PageServer], None]) -> int:
    """Serve the page until a signal ends it; its exit code."""
    from weft.cli.absent import told_if_absent
    from weft.cli.site_options import joined
    from weft.cli.until import exit_code, signals
    from weft.dashboard.app import serve_view
    from weft.dashboard.view import View

    with joined(options) as streams:
        subscription = streams.subscribe(wanted)
        shown = View(wanted, streams.known, lambda: _no_link(streams), lambda: subscription.counters)
        with closing(serve_view(shown, page)) as server:
            tell(server)
            with signals(subscription.close) as heard, told_if_absent(streams, wanted):
                for frame in subscription:
                    shown.take(frame)
    return exit_code(heard)


def _no_link(streams: ZenohStreams) -> str:
    return streams.status().reason


def _tell(server: PageServer, *, as_json: bool, show: bool) -> None:
    import json
    import sys
    import webbrowser

    from weft.cli.streams import say

    sys.stdout.write((json.dumps({"url": server.url}) if as_json else server.url) + "\n")
    sys.stdout.flush()
    if server.token:
        say("whoever has this address sees the streams; it is plain HTTP: use it in networks you trust\n")
    if show and not webbrowser.open(server.url):
        say("no browser could be opened; open the address in one\n")
