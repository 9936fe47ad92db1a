"""Pipelines: run one with progress and a summary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from weft.cli import logs
from weft.cli.main import EXIT_INTERRUPTED
from weft.cli.observe import Watched, observed, teller
from weft.cli.output import print_line
from weft.cli.progress import chosen_form, make_progress
from weft.cli.streams import reader_gone
from weft.core.errors import GuestError, WeftError

if TYPE_CHECKING:
    from weft.flow.pipeline import Pipeline
    from weft.flow.summary import Summary
    from weft.stream.joining import Joining
    from weft.wasm.trace import HostTrace

TERMINATED = {"SIGINT": EXIT_INTERRUPTED, "SIGTERM": 143}


def run_pipeline(
    path: Path,
    summary_path: Path | None,
    log_format: str,
    log_level: str,
    *,
    quiet: bool,
    trace: HostTrace | None = None,
    watched: Watched = Watched(),
    site: Mapping[str, object] | None = None,
    patience_s: float = math.inf,
) -> int:
    """Run a pipeline to its end, or until it is told to stop; what it took is drained first.

    ``site`` goes before what the document says under ``streams:``; the first link may take ``patience_s`` seconds.

    Returns 0, or 128 plus the signal's number. Raises what ended the pipeline, if something did; where the log is
    JSON lines, so is the error, and its exit code is returned.
    """
    form = chosen_form(log_format)
    logs.configure(log_level, "json" if form == "json" else "text")

    def run() -> int:
        """Load it, join its site and run it; its exit code."""
        from weft.flow.pipeline import Pipeline

        watched.check()
        pipeline = Pipeline.load(path, trace=trace, site=site)
        with site_joined(pipeline, patience_s):
            return finished(run_shown(pipeline, summary_path, form, quiet=quiet, watched=watched))

    return told(form, run)


def told(form: str, work: Callable[[], int]) -> int:
    """What the work returns. Where the log is JSON lines, an error is one of them, and its exit code is returned."""
    try:
        return work()
    except WeftError as error:
        if form != "json" or reader_gone(error):
            raise
        print_line({"event": "error", **error.record()})
        return error.exit_code


@contextmanager
def site_joined(pipeline: Pipeline, patience_s: float, joining: Joining | None = None) -> Iterator[None]:
    """Join the site of a pipeline, as its document says or as ``joining`` does, before anything of it starts.

    Here Ctrl-C ends the waiting. Where there is no site, nothing is done.
    """
    place = pipeline.site
    if place is None or (how := joining or place.joining) is None:
        yield
        return
    from weft.cli.site_options import join

    place.join = partial(join, replace(how, patience_s=patience_s))
    place.streams()
    try:
        yield
    finally:
        place.close()


def run_shown(
    pipeline: Pipeline, summary_path: Path | None, form: str, *, quiet: bool, watched: Watched = Watched()
) -> Summary:
    """Run a pipeline with its progress shown, unless it is to be ``quiet``."""
    display = None if quiet else make_progress(form)
    tell = None if quiet else teller(form)
    with observed(pipeline.name, watched, tell) as (metrics, spans), display or nullcontext():
        return pipeline.run(display, summary_path, check=False, metrics=metrics, spans=spans)


def finished(summary: Summary) -> int:
    """The exit code of a run. Raises what ended it."""
    summary.check()
    _check_useful(summary)
    return TERMINATED.get(summary.ended, 0)


def _check_useful(summary: Summary) -> None:
    """Raise GuestError when a function failed on every frame: skipping them all is no success."""
    for stage in summary.stages:
        if stage.kind == "function" and stage.failed and not stage.frames_out and stage.failed == stage.frames_in:
            first = next((words for _, words in stage.errors.values()), "")
            raise GuestError(
                f"failed on all {stage.failed} frames; the first time because: {first}",
                where=stage.name,
                cure="on_error: {stream: errors} keeps every reason",
            )
