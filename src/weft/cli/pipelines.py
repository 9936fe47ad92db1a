"""Pipelines: run one with progress and a summary."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from weft.cli import logs
from weft.cli.main import EXIT_INTERRUPTED
from weft.cli.output import print_line
from weft.cli.progress import chosen_form, make_progress
from weft.cli.streams import reader_gone
from weft.core.errors import GuestError, WeftError

if TYPE_CHECKING:
    from weft.flow.summary import Summary

TERMINATED = {"SIGINT": EXIT_INTERRUPTED, "SIGTERM": 143}


def run_pipeline(path: Path, summary_path: Path | None, log_format: str, log_level: str, *, quiet: bool) -> int:
    """Run a pipeline to its end, or until it is told to stop; what it took is drained first.

    Returns 0, or 128 plus the signal's number. Raises what ended the pipeline, if something did; where the log is
    JSON lines, so is the error, and its exit code is returned.
    """
    form = chosen_form(log_format)
    logs.configure(log_level, "json" if form == "json" else "text")
    try:
        return _run(path, summary_path, form, quiet=quiet)
    except WeftError as error:
        if form != "json" or reader_gone(error):
            raise
        print_line({"event": "error", **error.record()})
        return error.exit_code


def _run(path: Path, summary_path: Path | None, form: str, *, quiet: bool) -> int:
    from weft.flow.pipeline import Pipeline

    pipeline = Pipeline.load(path)
    display = None if quiet else make_progress(form)
    with display or nullcontext():
        summary = pipeline.run(display, summary_path, check=False)
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
