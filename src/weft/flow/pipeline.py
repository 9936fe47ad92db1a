"""Pipeline: load a document or join nodes by hand, then run it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core.errors import OutputError, UsageError
from weft.core.suggest import did_you_mean
from weft.flow.executor import Run, stopped_by_signals
from weft.flow.faults import log
from weft.flow.graph import FunctionNode, Graph, SinkNode, SourceNode
from weft.flow.standing import tell_states
from weft.flow.summary import Summary
from weft.flow.supervisor import ABORT_S, DRAIN_S

if TYPE_CHECKING:
    from weft.flow.metrics import Metrics
    from weft.flow.site import Site
    from weft.flow.spans import Spans
    from weft.wasm.trace import HostTrace

PROGRESS_S = 0.25

Progress = Callable[[Summary], None]


class Pipeline:
    """Sources, functions and sinks joined by named streams.

    ::

        summary = Pipeline.load("pipeline.yaml").run()

        Pipeline(
            sources=[weft.SourceNode(name="belt", open=lambda: VideoSource("belt.mp4"))],
            functions=[weft.FunctionNode(name="count", open=weft.python(count), inputs=("belt",))],
            sinks=[weft.SinkNode(name="results", open=lambda: JsonlSink("out.jsonl"), inputs=("count",))],
        ).run()

    ``VideoSource`` is in ``weft.media.sources.video``, ``JsonlSink`` in ``weft.media.sinks.jsonl``; anything with the
    methods of ``weft.core.protocols`` will do as well.

    Args:
        sources: where frames enter.
        functions: what is done with them.
        sinks: where results leave.
        name: what it is called in summaries.
        drain_s: seconds that what is queued has to get through after a stop or an error.
        abort_s: seconds a thread then has to end what it is doing.
        site: what its sources and sinks share; it is left after each run.
    """

    def __init__(
        self,
        *,
        sources: Sequence[SourceNode],
        functions: Sequence[FunctionNode] = (),
        sinks: Sequence[SinkNode] = (),
        name: str = "pipeline",
        drain_s: float = DRAIN_S,
        abort_s: float = ABORT_S,
        site: Site | None = None,
    ) -> None:
        self.name = name
        self.site = site
        self.graph = Graph(tuple(sources), tuple(functions), tuple(sinks))
        self._drain_s = drain_s
        self._abort_s = abort_s

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        trace: HostTrace | None = None,
        site: Mapping[str, Any] | None = None,
    ) -> Pipeline:
        """The pipeline in a YAML file; ``trace`` is told its functions' calls of the host.

        ``site`` goes before what the document says under ``streams:``, as ``{"connect": ["quic/edge:7447"]}``.

        Raises DocumentError with all mistakes of the document, NotFoundError or InputError when it cannot be read.
        """
        from weft.flow.build import build  # pydantic, which pipelines made by hand do not need
        from weft.flow.remote import local_pipeline
        from weft.spec.pipeline import load_pipeline

        return build(local_pipeline(load_pipeline(path, site=site)), trace)

    def validate(self) -> None:
        """Raises PipelineError when the nodes make no pipeline. Opens nothing."""
        self.graph.check()

    def function(self, name: str) -> FunctionNode:
        """One of its functions; its ``open`` is what ``Run.swap`` takes. Raises UsageError for another name."""
        functions = {node.name: node for node in self.graph.functions}
        if name not in functions:
            cure = did_you_mean(name, functions) or f"its functions are {', '.join(functions) or 'none'}"
            raise UsageError(f"the pipeline has no function '{name}'", where=self.name, cure=cure)
        return functions[name]

    def start(self, *, metrics: Metrics | None = None, spans: Spans | None = None) -> Run:
        """Run it on threads of its own and return at once. A pipeline may run again when it has ended.

        ``metrics`` tells of it from now on, and ``spans`` records what happens to its frames.
        """
        return self._run(metrics, spans).start()

    def _run(self, metrics: Metrics | None, spans: Spans | None) -> Run:
        after = None if self.site is None else self.site.close
        run = Run(self.graph, name=self.name, drain_s=self._drain_s, abort_s=self._abort_s, after=after, spans=spans)
        if metrics is not None:
            metrics.watch(run)
        if self.site is not None and self.site.joins:
            tell_states(run, self.graph, self.site)
        return run

    def run(
        self,
        progress: Progress | None = None,
        summary_path: str | os.PathLike[str] | None = None,
        *,
        check: bool = True,
        progress_s: float = PROGRESS_S,
        metrics: Metrics | None = None,
        spans: Spans | None = None,
    ) -> Summary:
        """Run it to its end, or until SIGINT or SIGTERM if this is the main thread.

        ``progress`` is called every ``progress_s`` seconds and once at the end, on this thread. The summary is
        written to ``summary_path`` whatever happened. With ``check`` the error that ended the pipeline is raised;
        without, it is in the summary. ``metrics`` and ``spans`` as in :meth:`start`.
        """
        place = None if summary_path is None else _checked(Path(summary_path))
        run = self._run(metrics, spans)
        with stopped_by_signals(run), run:
            # Never for ever: a signal that comes just as this thread begins to wait is only seen when it wakes.
            while not run.wait(progress_s):
                if progress is not None:
                    progress(run.snapshot())
        summary = run.snapshot()
        if progress is not None:
            progress(summary)
        if place is not None:
            _save(summary, place)
        return summary.check() if check else summary


def _checked(path: Path) -> Path:
    """A summary's path. Raises OutputError where it has no folder: better now than after an hour of work."""
    if path.is_dir() or not path.parent.is_dir():
        what = "a folder" if path.is_dir() else "its folder is not there"
        raise OutputError(what, where=str(path), cure="name a file for the summary, in a folder that is there")
    return path


def _save(summary: Summary, path: Path) -> None:
    try:
        summary.save(path)
    except OutputError as error:
        if summary.error is None:
            raise
        log.warning("and then: %s", error)  # what ended the pipeline matters more
