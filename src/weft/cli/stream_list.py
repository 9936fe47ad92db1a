"""``weft streams``: what is published in the site, and how much of it."""

from __future__ import annotations

import sys
from threading import Event
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.site_options import SiteOptions

if TYPE_CHECKING:
    from weft.stream.survey import Seen

Switch = Annotated[bool, Parameter(negative="", show_default=False)]
CLEAR = "\033[H\033[J"


def streams(*, json: Switch = False, watch: Switch = False, options: SiteOptions = SiteOptions()) -> int:
    """Show the streams that are published: name, scope, delivery, publishers, groups, and the rate over a second.

        weft streams
        weft streams --watch

    Parameters
    ----------
    json
        Print them as JSON, with --watch one line each time.
    watch
        Look again and again, until Ctrl-C.
    """
    from weft.cli import logs
    from weft.cli.site_options import joined
    from weft.cli.until import exit_code, signals
    from weft.stream.survey import survey

    logs.configure("warning", "text")
    ended = Event()
    with joined(options) as place, signals(ended.set) as heard:
        while not ended.is_set():
            found = survey(place)
            _print_json(found, lines=watch) if json else _print(found, clear=watch and sys.stdout.isatty())
            sys.stdout.flush()
            if not watch:
                return 0
    return exit_code(heard)


def _print(found: list[Seen], *, clear: bool) -> None:
    from weft.cli.output import print_table
    from weft.core.text import visible
    from weft.core.units import format_size

    if clear:
        sys.stdout.write(CLEAR)
    if not found:
        sys.stdout.write("no stream is published\n")
        return
    rows = [
        (
            visible(seen.info.name),
            visible(seen.info.scope),
            seen.info.delivery + (", latest" if seen.info.latest else ""),
            seen.info.publishers,
            ", ".join(f"{group.name} {group.members}" for group in seen.info.groups),
            visible(seen.info.state),
            f"{seen.frames_per_s:.1f}",
            f"{format_size(round(seen.bytes_per_s))}/s",
        )
        for seen in found
    ]
    print_table(("stream", "scope", "delivery", "publishers", "groups", "state", "frames/s", "bytes"), rows)


def _print_json(found: list[Seen], *, lines: bool) -> None:
    from dataclasses import asdict
    from json import dumps

    rows = [{**asdict(seen.info), "frames_per_s": seen.frames_per_s, "bytes_per_s": seen.bytes_per_s} for seen in found]
    sys.stdout.write(dumps(rows, indent=None if lines else 2, ensure_ascii=False) + "\n")
