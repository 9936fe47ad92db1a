"""``weft top``: the pipelines that run, as a table that lives."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.core.errors import InputError, NotFoundError, UsageError, WeftError
from weft.core.units import format_duration, parse_duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from weft.flow.top import Reading, Row

Switch = Annotated[bool, Parameter(negative="", show_default=False)]

HEADINGS = ("stage", "kind", "frames/s", "frames", "queue", "p50", "p99", "dropped", "failed")
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.01, 3600.0
_CURE = "start one with metrics: weft run pipeline.yaml --metrics 127.0.0.1:9464"


def top(
    *,
    connect: Annotated[list[str], Parameter(negative="", show_default=False)] = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    interval: str = "1s",
    once: Switch = False,
    json: Switch = False,
) -> int:
    """Watch the pipelines that run on this machine, or elsewhere: speed, queues, latency, drops and failures.

        weft top
        weft top --connect edge:9464 --once --json

    Only pipelines that serve metrics can be seen (`weft run pipeline.yaml --metrics 127.0.0.1:9464`). The numbers of a
    second look are of the time since the first; drops and failures are counted from the beginning.

    Parameters
    ----------
    connect
        Watch the pipeline whose metrics are at HOST:PORT; may be given several times.
    interval
        How often to look.
    once
        Look twice, an interval apart, print what was found and end.
    json
        Print it as JSON; only with --once.
    """
    pause = parse_duration(interval)
    if not MIN_INTERVAL_S <= pause <= MAX_INTERVAL_S:
        raise UsageError(f"--interval {interval}", cure="from 10ms to 1h, such as 500ms")
    if json and not once:
        raise UsageError("--json: a table that lives is no JSON", cure="add --once")
    if not once and not sys.stdout.isatty():
        raise UsageError("standard output is no terminal, where a table could live", cure="add --once")
    board = _Board(connect)
    if once:
        return _once(board, pause, as_json=json)
    with suppress(KeyboardInterrupt):  # the way to leave it
        _live(board, pause)
    return 0


@dataclass(slots=True)
class _Place:
    """What was found at one address: the last reading and the one before, or why there is none."""

    address: str
    before: Reading | None = None
    now: Reading | None = None
    error: WeftError | None = None

    def look(self) -> None:
        """Read once more."""
        from weft.flow.top import fetch

        try:
            self.before, self.now, self.error = self.now, fetch(self.address), None
        except (NotFoundError, InputError) as error:
            self.before = self.now = None
            self.error = error

    @property
    def rows(self) -> list[Row]:
        """The stages; none where nobody answers."""
        from weft.flow.top import rows

        return [] if self.now is None else rows(self.before, self.now)


@dataclass(slots=True)
class _Board:
    """All places looked at: those that were named, or those this machine has at the moment."""

    connect: Sequence[str]
    places: dict[str, _Place] = field(default_factory=dict)

    def look(self) -> list[_Place]:
        """Look at every place once. Raises NotFoundError when there is none."""
        from weft.flow.announce import found

        addresses = list(self.connect) or [process.metrics for process in found()]
        if not addresses:
            raise NotFoundError("no pipeline on this machine serves metrics", cure=_CURE)
        self.places = {address: self.places.get(address) or _Place(address) for address in addresses}
        for place in self.places.values():
            place.look()
        return list(self.places.values())


def _once(board: _Board, pause: float, *, as_json: bool) -> int:
    from weft.cli.output import print_json, print_table
    from weft.core.text import visible

    board.look()
    time.sleep(pause)
    places = board.look()
    if all(place.error for place in places) and places[0].error is not None:
        raise places[0].error
    if as_json:
        print_json([_as_json(place) for place in places])
        return 0
    for place in places:
        sys.stdout.write(visible(_title(place)) + "\n")
        print_table(HEADINGS, [_cells(row) for row in place.rows])
    return 0


def _live(board: _Board, pause: float) -> None:
    from rich.live import Live

    places = board.look()
    if all(place.error for place in places) and places[0].error is not None:
        raise places[0].error
    with Live(_render(places), auto_refresh=False, screen=False) as live:
        while True:
            time.sleep(pause)
            try:
                live.update(_render(board.look()), refresh=True)
            except NotFoundError as error:
                live.update(f"{error.what}; waiting for one", refresh=True)


def _render(places: Sequence[_Place]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from weft.core.text import visible

    parts: list[RenderableType] = []
    for place in places:
        parts.append(Text(visible(_title(place)), style="bold"))
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
        for row in place.rows:
            table.add_row(*map(Text, _cells(row)))
        parts.append(table if place.rows else Text(""))
    return Group(*parts)


def _title(place: _Place) -> str:
    if place.now is None:
        return f"{place.address}: {place.error.what if place.error else 'no metrics'}"
    told = [
        f"{name}: {'running' if runs else 'ended'}, {format_duration(place.now.uptime.get(name, 0.0))}"
        for name, runs in place.now.running.items()
    ]
    return f"{', '.join(told) or 'no pipeline'} ({place.address})"


def _cells(row: Row) -> tuple[str, ...]:
    from weft.core.text import visible

    queue = "" if row.queue is None else f"{row.queue[0]}/{row.queue[1]}"
    times = ["" if seconds is None else format_duration(seconds) for seconds in (row.p50, row.p99)]
    counts = (str(row.dropped), str(row.failed))
    return (visible(row.stage), visible(row.kind), f"{row.per_s:.1f}", str(row.frames), queue, *times, *counts)


def _as_json(place: _Place) -> dict[str, object]:
    now = place.now
    return {
        "address": place.address,
        "error": None if place.error is None else place.error.what,
        "pipelines": {} if now is None else {name: {"running": runs} for name, runs in now.running.items()},
        "stages": [row.to_dict() for row in place.rows],
    }
