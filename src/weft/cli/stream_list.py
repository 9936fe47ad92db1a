"""``weft streams``: what is published in the site, and how much of it."""

from __future__ import annotations

import sys
from threading import Event
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.site_options import SiteOptions
from weft.core.errors import DeniedError

if TYPE_CHECKING:
    from weft.stream.survey import Seen
    from weft.stream.zenoh.session import ZenohStreams

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

    logs.configure("warning", "text")
    ended = Event()
    with joined(options) as place, signals(ended.set) as heard:
        while not ended.is_set():
            found = _survey(place)
            if json:
                _print_json(found, lines=watch)
            else:
                _print(found or _nothing(place), clear=watch and sys.stdout.isatty())
            sys.stdout.flush()
            if not watch:
                return 0
    return exit_code(heard)


def _survey(place: ZenohStreams) -> list[Seen]:
    """What is published. Raises DeniedError where the rules let this process see no stream at all."""
    from weft.stream.survey import survey

    try:
        return survey(place)
    except DeniedError as error:
        name = next((answer.name for answer in place.rights.answers()), "")
        who = f"the certificate '{name}'" if name else "who has no certificate"
        cure = f"start the router with a rule for it, such as {{certificate: {name or '*'}, subscribe: [cam/*]}}"
        raise DeniedError(f"{who} may not see any stream", where=error.where, cure=cure) from error


def _nothing(place: ZenohStreams) -> str:
    """That nothing is published, or nothing of what the rules let this process see."""
    told = place.rights.answers()
    rights = [answer.rights for answer in told if answer.rights is not None]
    patterns = sorted({grant.pattern for one in rights for grant in one["subscribe"]})
    if not told or len(rights) < len(told) or "**" in patterns:
        return "no stream is published"
    return f"nothing is published of what the certificate '{told[0].name}' may see: {', '.join(patterns)}"


def _print(found: list[Seen] | str, *, clear: bool) -> None:
    from weft.cli.output import print_table
    from weft.core.text import visible

    if clear:
        sys.stdout.write(CLEAR)
    if isinstance(found, str):
        sys.stdout.write(visible(found) + "\n")
        return
    headings = ("stream", "scope", "delivery", "publishers", "groups", "state", "frames/s", "bytes")
    print_table(headings, [_cells(seen) for seen in found])


def _cells(seen: Seen) -> tuple[object, ...]:
    from weft.core.text import visible
    from weft.core.units import format_size

    return (
        visible(seen.info.name),
        visible(seen.info.scope),
        seen.info.delivery + (", latest" if seen.info.latest else ""),
        seen.info.publishers,
        ", ".join(f"{group.name} {group.members}" for group in seen.info.groups),
        visible(seen.info.state),
        f"{seen.frames_per_s:.1f}",
        f"{format_size(round(seen.bytes_per_s))}/s",
    )


def _print_json(found: list[Seen], *, lines: bool) -> None:
    from dataclasses import asdict
    from json import dumps

    rows = [{**asdict(seen.info), "frames_per_s": seen.frames_per_s, "bytes_per_s": seen.bytes_per_s} for seen in found]
    sys.stdout.write(dumps(rows, indent=None if lines else 2, ensure_ascii=False) + "\n")
