"""The pipeline document: sources, functions and sinks joined by named streams.

::

    sources:
      belt: {type: video, path: belt.mp4}
    functions:
      detect: {wasm: detect.wasm, inputs: [belt], outputs: [parts], models: {net: detector.onnx}}
    sinks:
      results: {type: jsonl, path: results.jsonl, inputs: [parts]}

A source emits to the stream of its own name unless ``stream`` says otherwise, a function to its ``outputs``.
A stream has one producer and any number of readers; only a stream of error records may have several producers.
The stages form a graph without circles. File names are relative to the document's folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from weft.core.errors import DocumentError, Problem
from weft.spec.checks import check_files as files_check
from weft.spec.checks import check_graph, warnings_of
from weft.spec.document import Check, Document, parse_document
from weft.spec.endpoints import Sink, Source
from weft.spec.function import FunctionSpec
from weft.spec.graph import MAX_STAGES, Graph, graph_of
from weft.spec.kind import CALLED, other_kind
from weft.spec.reader import Parsed, read, read_file
from weft.spec.site import SiteUse
from weft.spec.values import StageName

_USES = {
    "classifier": "weft run takes it as it is; a pipeline names it: functions: {NAME: {classify: FILE, …}}",
    "access": "weft router --access takes it",
}


class PipelineSpec(Document):
    """Sources, functions and sinks, joined by named streams."""

    name: StageName = Field(default="pipeline", description="What the pipeline is called in logs and summaries.")
    description: str = Field(default="", description="What it is for.")
    sources: dict[StageName, Source] = Field(
        max_length=MAX_STAGES, description="Where frames enter, by name. With `streams`, there may be none."
    )
    functions: dict[StageName, FunctionSpec] = Field(
        default_factory=dict, max_length=MAX_STAGES, description="What is done with them, by name."
    )
    sinks: dict[StageName, Sink] = Field(
        default_factory=dict, max_length=MAX_STAGES, description="Where results leave, by name."
    )
    streams: SiteUse | None = Field(
        default=None, description="The site whose streams it shares; it keeps to itself if absent."
    )

    _graph: Graph | None = PrivateAttr(default=None)

    @property
    def graph(self) -> Graph:
        """Who emits which stream, who reads it, in what order. Worked out once."""
        if self._graph is None:
            self._graph = graph_of(self.model_dump())
        return self._graph

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed but looks forgotten, such as a stream that nobody reads."""
        return tuple(self.problem(*found) for found in warnings_of(self.graph))

    def function_inputs(self, name: str) -> tuple[str, ...]:
        """The streams a function takes, its patterns resolved."""
        return self._inputs("functions", name)

    def sink_inputs(self, name: str) -> tuple[str, ...]:
        """The streams a sink takes, its patterns resolved."""
        return self._inputs("sinks", name)

    def _inputs(self, kind: str, name: str) -> tuple[str, ...]:
        return next(self.graph.reads(stage) for stage in self.graph.stages if stage.path == (kind, name))


def load_pipeline(
    path: str | os.PathLike[str], *, check_files: bool = True, site: Mapping[str, Any] | None = None
) -> PipelineSpec:
    """The pipeline in a YAML file; with ``check_files`` the files it names must be there.

    ``site`` goes before what is written under ``streams:``, key by key.

    Raises NotFoundError or InputError when the file cannot be read and DocumentError, with every mistake, when
    it is not right.
    """
    file = Path(path)
    return _checked(_joined(read(read_file(file)), site), str(file), file.parent, check_files)


def parse_pipeline(
    content: str | bytes, *, where: str = "", folder: Path = Path(), check_files: bool = False
) -> PipelineSpec:
    """The pipeline in YAML text. ``where`` names the document in errors. Raises DocumentError."""
    return _checked(read(content), where, folder, check_files)


def pipeline_from(data: Mapping[str, Any], *, folder: Path = Path(), check_files: bool = False) -> PipelineSpec:
    """The pipeline in plain data, shaped like the document. Raises DocumentError."""
    return _checked(Parsed(dict(data)), "", folder, check_files)


def _checked(parsed: Parsed, where: str, folder: Path, check_files: bool) -> PipelineSpec:
    if other := other_kind(parsed, "pipeline"):
        raise DocumentError([parsed.problem((), f"is {CALLED[other]}, not a pipeline", _USES[other])], where=where)
    _without_sources(parsed)
    checks: list[Check] = [check_graph, files_check(folder, where)] if check_files else [check_graph]
    return parse_document(parsed, PipelineSpec, where=where, checks=checks).placed(folder, parsed)


def _joined(parsed: Parsed, site: Mapping[str, Any] | None) -> Parsed:
    if site is not None and isinstance(parsed.data, dict):
        written = parsed.data.get("streams")
        parsed.data["streams"] = {**(written if isinstance(written, Mapping) else {}), **site}
    return parsed


def _without_sources(parsed: Parsed) -> None:
    """A pipeline of a site may have no sources of its own."""
    if isinstance(parsed.data, dict) and isinstance(parsed.data.get("streams"), Mapping):
        parsed.data.setdefault("sources", {})
