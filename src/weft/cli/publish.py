"""Running a pipeline that publishes to a site."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from weft.cli import logs
from weft.cli.absent import told_if_absent
from weft.cli.pipelines import finished, run_shown, site_joined, told
from weft.cli.progress import chosen_form

if TYPE_CHECKING:
    from weft.cli.site_options import SiteOptions
    from weft.flow.pipeline import Pipeline
    from weft.stream.joining import Joining


def run_joined(pipeline: Pipeline, options: SiteOptions, log_level: str, observed: Sequence[str] = ()) -> int:
    """Join the site, run the pipeline until it ends or is stopped, and leave. Returns as ``weft run`` does.

    Which of the ``observed`` streams nobody publishes is told.
    """
    form = chosen_form("auto")
    logs.configure(log_level, "json" if form == "json" else "text")
    joining = options.joining()
    return told(form, lambda: _run(pipeline, joining, form, observed))


def _run(pipeline: Pipeline, joining: Joining, form: str, observed: Sequence[str]) -> int:
    with site_joined(pipeline, joining.patience_s, joining), _absent(pipeline, observed, form):
        return finished(run_shown(pipeline, None, form, quiet=False))


def _absent(pipeline: Pipeline, observed: Sequence[str], form: str) -> AbstractContextManager[None]:
    if pipeline.site is None or not observed:
        return nullcontext()
    return told_if_absent(pipeline.site.streams(), observed, as_json=form == "json")
