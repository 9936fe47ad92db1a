"""Pipelines: run one with progress and a summary."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from weft.cli import logs
from weft.cli.main import EXIT_INTERRUPTED
from weft.cli.progress import make_progress

TERMINATED = {"SIGINT": EXIT_INTERRUPTED, "SIGTERM": 143}


def run_pipeline(path: Path, summary_path: Path | None, log_format: str, log_level: str, *, quiet: bool) -> int:
    """Run a pipeline to its end, or until it is told to stop; what it took is drained first.

    Returns 0, or 128 plus the signal's number. Raises what ended the pipeline, if something did.
    """
    from weft.flow.pipeline import Pipeline

    logs.configure(log_level, "text" if log_format in {"rich", "text"} else "json")
    pipeline = Pipeline.load(path)
    display = None if quiet else make_progress(log_format)
    with display or nullcontext():
        summary = pipeline.run(display, summary_path, check=False)
    summary.check()
    return TERMINATED.get(summary.ended, 0)
