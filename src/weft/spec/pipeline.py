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

from weft.core.errors import InputError, NotFoundError, Problem
from weft.core.files import read_whole
from weft.core.suggest import did_you_mean
from weft.spec.checks import check_files as files_check
from weft.spec.checks import check_graph, warnings_of
from weft.spec.document import Check, parse_document
from weft.spec.endpoints import Sink, Source
from weft.spec.function import FunctionSpec
from weft.spec.graph import MAX_STAGES, Graph, graph_of
from weft.spec.reader import MAX_BYTES, Parsed, read
from weft.spec.values import Part, StageName


class PipelineSpec(Part):
    """Sources, functions and sinks, joined by named streams."""

    name: StageName = Field(default="pipeline", description="What the pipeline is called in logs and summaries.")
    description: str = Field(default="", description="What it is for.")
    sources: dict[StageName, Source] = Field(
        min_length=1, max_length=MAX_STAGES, description="Where frames enter, by name."
    )
    functions: dict[StageName, FunctionSpec] = Field(
        default_factory=dict, max_length=MAX_STAGES, description="What is done with them, by name."
    )
    sinks: dict[StageName, Sink] = Field(
        default_factory=dict, max_length=MAX_STAGES, description="Where results leave, by name."
    )

    _folder: Path = PrivateAttr(default=Path())
    _written: Parsed = PrivateAttr(default_factory=Parsed)
    _graph: Graph | None = PrivateAttr(default=None)

    @property
    def folder(self) -> Path:
        """The folder file names are relative to."""
        return self._folder

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

    def problem(self, path: tuple[str | int, ...], message: str, cure: str = "") -> Problem:
        """A mistake found later, with the line it stands on."""
        return self._written.problem(path, message, cure)

    def resolve(self, path: str) -> Path:
        """A path as written in the document, made absolute or relative to the process."""
        return self._folder / path

    def function_inputs(self, name: str) -> tuple[str, ...]:
        """The streams a function takes, its patterns resolved."""
        return self._inputs("functions", name)

    def sink_inputs(self, name: str) -> tuple[str, ...]:
        """The streams a sink takes, its patterns resolved."""
        return self._inputs("sinks", name)

    def _inputs(self, kind: str, name: str) -> tuple[str, ...]:
        return next(self.graph.reads(stage) for stage in self.graph.stages if stage.path == (kind, name))

    def placed(self, folder: Path, written: Parsed) -> PipelineSpec:
        """The same document, which knows the folder its file names are relative to and the lines it came from."""
        self._folder = folder
        self._written = written
        return self


def load_pipeline(path: str | os.PathLike[str], *, check_files: bool = True) -> PipelineSpec:
    """The pipeline in a YAML file; with ``check_files`` the files it names must be there.

    Raises NotFoundError or InputError when the file cannot be read and DocumentError, with every mistake, when
    it is not right.
    """
    file = Path(path)
    return parse_pipeline(_read(file), where=str(file), folder=file.parent, check_files=check_files)


def parse_pipeline(
    content: str | bytes, *, where: str = "", folder: Path = Path(), check_files: bool = False
) -> PipelineSpec:
    """The pipeline in YAML text. ``where`` names the document in errors. Raises DocumentError."""
    return _checked(read(content), where, folder, check_files)


def pipeline_from(data: Mapping[str, Any], *, folder: Path = Path(), check_files: bool = False) -> PipelineSpec:
    """The pipeline in plain data, shaped like the document. Raises DocumentError."""
    return _checked(Parsed(dict(data)), "", folder, check_files)


def _checked(parsed: Parsed, where: str, folder: Path, check_files: bool) -> PipelineSpec:
    checks: list[Check] = [check_graph, files_check(folder, where)] if check_files else [check_graph]
    return parse_document(parsed, PipelineSpec, where=where, checks=checks).placed(folder, parsed)


def _read(path: Path) -> bytes:
    try:
        return read_whole(path, 4 * MAX_BYTES)
    except FileNotFoundError:
        raise NotFoundError("there is no such file", where=str(path), cure=_similar(path)) from None
    except OSError as error:
        cure = "name a file that may be read"
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from error


def _similar(path: Path) -> str:
    documents = sorted(file.name for suffix in ("*.yaml", "*.yml") for file in path.parent.glob(suffix))
    return did_you_mean(path.name, documents) or "check the path"
