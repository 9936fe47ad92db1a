"""What a running pipeline shows: a live table on a terminal, JSON lines elsewhere, and a summary at the end."""

from __future__ import annotations

import io
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from weft.cli.output import print_line, print_table
from weft.cli.streams import Unfailing, say
from weft.core.text import visible
from weft.core.units import format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from weft.flow.summary import Summary

JSON_EVERY = 1.0
"""Seconds between two progress lines for machines."""


class Progress(Protocol):
    """Shows snapshots of a run."""

    def __call__(self, summary: Summary) -> None:
        """Show one; the last has ended."""

    def __enter__(self) -> Progress:
        """Start showing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""


def chosen_form(form: str) -> str:
    """``rich``, ``text`` or ``json``; for ``auto`` standard error decides."""
    return ("rich" if sys.stderr.isatty() else "json") if form == "auto" else form


def make_progress(form: str) -> Progress:
    """The progress display for ``rich``, ``text`` or ``json``."""
    return {"rich": RichProgress, "text": TextProgress, "json": JsonProgress}[form]()


class _Plain:
    """A display without anything to set up."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to undo."""

    def __call__(self, summary: Summary) -> None:
        """Show one snapshot."""


class TextProgress(_Plain):
    """Only the table at the end."""

    def __call__(self, summary: Summary) -> None:
        """Print the summary when the run has ended."""
        if summary.ended != "running":
            table = io.StringIO()
            print_table(summary.HEADINGS, summary.rows(), file=table)
            say("\n".join([headline(summary), *troubled(summary), table.getvalue()]))


class JsonProgress(_Plain):
    """A JSON line a second, and one with the whole summary at the end."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, summary: Summary) -> None:
        """Print a line when it is due."""
        over = summary.ended != "running"
        if not over and time.monotonic() - self._last < JSON_EVERY:
            return
        self._last = time.monotonic()
        print_line(_whole(summary) if over else _brief(summary))


def _whole(summary: Summary) -> dict[str, object]:
    """All of a run that has ended; what ended it has a line of its own, as errors have everywhere."""
    told = {name: value for name, value in summary.to_dict().items() if name != "error" or value is None}
    return {"event": "summary", **told}


def _brief(summary: Summary) -> dict[str, object]:
    """How far a run is, in a line one can read."""
    counts = {
        stage.name: {"out": stage.frames_out, "dropped": stage.dropped, "failed": stage.failed, **stage.standing()}
        for stage in summary.stages
    }
    return {"event": "progress", "seconds": round(summary.seconds, 1), "stages": counts}


class RichProgress(_Plain):
    """A live table that stays, complete, when the run has ended."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=cast("TextIO", Unfailing(sys.stderr)))
        self._live = Live(console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last table on the screen."""
        self._live.stop()

    def __call__(self, summary: Summary) -> None:
        """Redraw."""
        self._live.update(_render(summary))


def headline(summary: Summary) -> str:
    """The run in a line: its name, how it ended, how long it took, how fast it was."""
    frames = sum(stage.frames_out for stage in summary.stages if stage.kind == "source")
    rate = frames / summary.seconds if summary.seconds else 0.0
    state = {"running": "running", "end": "done"}.get(summary.ended, f"ended by {summary.ended}")
    return f"{summary.name}: {state}, {frames} frames in {format_duration(summary.seconds)}, {rate:.1f} frames/s"


def _render(summary: Summary) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in summary.HEADINGS:
        table.add_column(heading, justify="left" if heading in {"stage", "kind"} else "right")
    for row in summary.rows():
        table.add_row(*row)
    standings = [Text(line, style="yellow") for line in troubled(summary)]
    return Group(Text(headline(summary), style="bold"), *standings, *_bars(summary), table)


def troubled(summary: Summary) -> list[str]:
    """A line for each source, such as a camera, that is not giving frames: what it is doing, and why."""
    waiting = [stage for stage in summary.stages if stage.state not in {"", "live", "ended"} or stage.trouble]
    return [f"{stage.name}: {visible(': '.join(stage.standing().values()))}" for stage in waiting]


def _bars(summary: Summary) -> list[RenderableType]:
    """How far each source is that knows its length."""
    from rich.columns import Columns
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    if summary.ended != "running":
        return []
    return [
        Columns([Text(stage.name), ProgressBar(total=stage.length, completed=stage.frames_in, width=40)])
        for stage in summary.stages
        if stage.length
    ]
