"""A pipeline checked as far as that goes without running it.

Its modules are linked; its models, what its sources read and where its sinks write are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core import resources
from weft.core.address import camera_address, present_devices
from weft.core.errors import DocumentError, Problem, WeftError
from weft.flow.endpoint_options import STANDARD_STREAM

if TYPE_CHECKING:
    from weft.spec.pipeline import PipelineSpec


@dataclass(frozen=True, slots=True)
class Checked:
    """A pipeline that would start: its name, how many stages of each kind, and what looks forgotten."""

    name: str
    stages: dict[str, int]
    warnings: tuple[Problem, ...]


def validate_pipeline(path: Path) -> Checked:
    """Check a pipeline's document, its files, modules and models, what it reads and where it writes.

    Raises DocumentError with every mistake, and as :func:`weft.spec.pipeline.load_pipeline`.
    """
    from weft.flow.remote import local_pipeline
    from weft.spec.pipeline import load_pipeline

    spec = local_pipeline(load_pipeline(path))
    problems = [*_endpoint_problems(spec), *_site_problems(spec)]
    problems += [problem for name in spec.functions for problem in _function_problems(spec, name)]
    if problems:
        raise DocumentError(problems, where=str(path))
    stages = {"sources": len(spec.sources), "functions": len(spec.functions), "sinks": len(spec.sinks)}
    return Checked(spec.name, stages, (*spec.warnings, *_absent_cameras(spec)))


def _absent_cameras(spec: PipelineSpec) -> Iterator[Problem]:
    """Cameras of this machine that are not there: no mistake, as they may come later. Nothing is opened."""
    for name, source in spec.sources.items():
        if source.type != "camera":
            continue
        address = camera_address(source.device)
        if address.kind != "network" and not spec.resolve(address.target).exists():
            cure = present_devices() if address.kind == "device" else "check the path"
            yield spec.problem(("sources", name, "device"), f"there is no '{address.shown}' now", cure)


def _endpoint_problems(spec: PipelineSpec) -> Iterator[Problem]:
    from weft.media.places import look_at_sink, look_at_source

    looks = (("sources", spec.sources, look_at_source), ("sinks", spec.sinks, look_at_sink))
    for section, endpoints, look in looks:
        for name, endpoint in endpoints.items():
            written = getattr(endpoint, "path", STANDARD_STREAM)
            if written == STANDARD_STREAM or "://" in written:
                continue
            try:
                look(endpoint.type, spec.resolve(written))
            except WeftError as error:
                yield spec.problem((section, name, "path"), error.what, error.cure)


def _site_problems(spec: PipelineSpec) -> Iterator[Problem]:
    """What the document says of a site, and the recordings it plays; nobody is connected to."""
    if spec.streams is not None:
        from weft.stream.zenoh.link import endpoint

        for key in ("connect", "listen"):
            for index, text in enumerate(getattr(spec.streams, key)):
                try:
                    endpoint(text)
                except WeftError as error:
                    yield spec.problem(("streams", key, index), error.what, error.cure)
    for name, source in spec.sources.items():
        if source.type == "recording":
            from weft.stream.recording import RecordingReader

            try:
                RecordingReader(spec.resolve(source.path)).close()
            except WeftError as error:
                yield spec.problem(("sources", name, "path"), error.what, error.cure)


def _function_problems(spec: PipelineSpec, name: str) -> Iterator[Problem]:
    from weft.flow.function_nodes import state_path
    from weft.flow.functions import models
    from weft.flow.state_admin import check_state

    function = spec.functions[name]
    for model, use in function.models.items():
        try:
            models().check(spec.resolve(use.path), use.options())
        except WeftError as error:
            yield spec.problem(("functions", name, "models", model), error.what, error.cure)
    if function.grants.state is not None:
        try:
            check_state(function.grants.state.grant(spec.folder, state_path(spec, name)).path)
        except WeftError as error:
            yield spec.problem(("functions", name, "grants", "state"), error.what, error.cure)
    here = ("functions", name, function.form)
    try:
        _link(spec, name)
    except DocumentError as error:
        yield from (spec.problem(here, f"{function.file}: {problem}") for problem in error.problems)
    except WeftError as error:
        yield spec.problem(here, error.what, error.cure)


def _link(spec: PipelineSpec, name: str) -> None:
    """Compile and link a function's module without its models."""
    from weft.flow.functions import FunctionOptions, load_function

    function = spec.functions[name]
    path = resources.module(function.file, spec.folder)
    load_function(path, FunctionOptions(name=name, abi=function.abi))
