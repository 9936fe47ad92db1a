"""A pipeline checked as far as that goes without running it: its modules are linked, its models looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core import resources
from weft.core.errors import DocumentError, Problem, WeftError

if TYPE_CHECKING:
    from weft.spec.pipeline import PipelineSpec


@dataclass(frozen=True, slots=True)
class Checked:
    """A pipeline that would start: its name, how many stages of each kind, and what looks forgotten."""

    name: str
    stages: dict[str, int]
    warnings: tuple[Problem, ...]


def validate_pipeline(path: Path) -> Checked:
    """Check a pipeline's document, its files, modules and models.

    Raises DocumentError with every mistake, and as :func:`weft.spec.pipeline.load_pipeline`.
    """
    from weft.spec.pipeline import load_pipeline

    spec = load_pipeline(path)
    problems = [problem for name in spec.functions for problem in _function_problems(spec, name)]
    if problems:
        raise DocumentError(problems, where=str(path))
    stages = {"sources": len(spec.sources), "functions": len(spec.functions), "sinks": len(spec.sinks)}
    return Checked(spec.name, stages, spec.warnings)


def _function_problems(spec: PipelineSpec, name: str) -> Iterator[Problem]:
    from weft.flow.functions import models

    function = spec.functions[name]
    for model, use in function.models.items():
        try:
            models().check(spec.resolve(use.path), use.options())
        except WeftError as error:
            yield spec.problem(("functions", name, "models", model), error.what, error.cure)
    try:
        _link(spec, name)
    except WeftError as error:
        yield spec.problem(("functions", name, "wasm"), error.what, error.cure)


def _link(spec: PipelineSpec, name: str) -> None:
    """Compile and link a function's module without its models."""
    from weft.flow.functions import FunctionOptions, load_function

    function = spec.functions[name]
    path = resources.module(function.wasm, spec.folder)
    load_function(path, FunctionOptions(name=name, abi=function.abi))
