"""The options of ``weft serve`` for functions, turned into what the server takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from weft.cli import options
from weft.cli.serve_options import Switch, Words
from weft.core.errors import NotFoundError, UsageError
from weft.core.suggest import did_you_mean
from weft.core.units import parse_duration, parse_size

if TYPE_CHECKING:
    from weft.serve.app import Face
    from weft.serve.functions.service import Functions
    from weft.serve.functions.spec import FunctionSpec
    from weft.serve.models.service import Models

DOCUMENTS = {".yaml", ".yml"}
_EXAMPLE = "blur=blur.wasm"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServedFunctions:
    """Which functions are served, and how."""

    function: Words = field(default_factory=list)
    """A function and its name, NAME=FILE: a module, a Python file, a classifier's .yaml, or a pipeline's .yaml, whose
    function of that name is served with its grants, limits, config and models. May be given several times."""
    function_instances: Words = field(default_factory=list)
    """Requests that a function works on at the same time, for all or as NAME=COUNT; one per core by default."""
    function_queue: Words = field(default_factory=list)
    """Requests that may wait for a function, for all or as NAME=COUNT; 64 by default. More are answered 503."""
    function_timeout: Words = field(default_factory=list)
    """Time from a request to a function's answer, for all or as NAME=TIME; 60s by default, none for no limit."""
    function_body: Words = field(default_factory=list)
    """The largest body that a function takes, for all or as NAME=SIZE; --max-body by default."""
    preprocess: Words = field(default_factory=list)
    """A function that makes a model's input of a picture, MODEL=FILE, for MODEL/preprocess and MODEL/matches."""
    postprocess: Words = field(default_factory=list)
    """A function that makes the answer of a model's output, MODEL=FILE, for MODEL/matches."""
    debug_errors: Switch = False
    """Tell clients all of a function's errors, with tracebacks and paths."""

    def fill(self, functions: Functions) -> None:
        """Name the functions. Raises UsageError, NotFoundError, DocumentError."""
        written = options.pairs("--function", self.function, _EXAMPLE)
        names = list(written)
        given = {
            setting: _each(option, getattr(self, word), names, read) for setting, (option, word, read) in _READ.items()
        }
        for name, text in written.items():
            spec = function_spec(name, text)
            settings: dict[str, Any] = {setting: found[name] for setting, found in given.items() if name in found}
            functions.add(name, replace(spec, **settings))

    def faces(self, models: Models) -> list[Face]:
        """What answers for them, and for pictures. Raises UsageError, NotFoundError, DocumentError."""
        from weft.serve.functions.rest import FunctionsFace
        from weft.serve.functions.service import Functions
        from weft.serve.wasmcloud.face import WasmCloud

        functions = Functions()
        self.fill(functions)
        steps = (self.steps(option, models) for option in ("--preprocess", "--postprocess"))
        return [FunctionsFace(functions, debug=self.debug_errors), WasmCloud(*steps, debug=self.debug_errors)]

    def steps(self, option: str, models: Models) -> Functions:
        """The functions of --preprocess or --postprocess. Raises UsageError, NotFoundError, DocumentError."""
        from weft.serve.functions.service import Functions

        made, words = Functions(), self.preprocess if option == "--preprocess" else self.postprocess
        for name, text in options.pairs(option, words, "net=step.wasm").items():
            if name not in models.names():
                cure = did_you_mean(name, models.names()) or "name one of the models"
                raise UsageError(f"{option} {name}=: no such model", cure=cure)
            made.add(name, with_labels(function_spec(name, text), models.version(name).spec.labels))
        return made


def with_labels(spec: FunctionSpec, labels: Path | None) -> FunctionSpec:
    """The same, told the model's labels as its config 'labels', unless it says them itself."""
    if labels is None or spec.path.suffix in DOCUMENTS or "labels" in spec.options.config:
        return spec
    config = {**spec.options.config, "labels": f"@{labels.absolute()}"}
    return replace(spec, options=replace(spec.options, config=config))


def function_spec(name: str, text: str) -> FunctionSpec:
    """A function as ``NAME=FILE`` names it. Raises NotFoundError, DocumentError."""
    from weft.serve.functions.spec import FunctionSpec

    path = options.module(text)
    if path.suffix in DOCUMENTS:
        return _documented(name, path)
    return FunctionSpec(path, _plain())


def _plain() -> Any:
    from weft.flow.functions import FunctionOptions

    return FunctionOptions(limits=options.limits(None, None))


def _documented(name: str, path: Path) -> FunctionSpec:
    """A classifier, or the function of a pipeline's document."""
    from weft.core import resources
    from weft.flow.function_nodes import function_options
    from weft.flow.remote import local_pipeline
    from weft.serve.functions.spec import FunctionSpec
    from weft.spec.kind import file_kind
    from weft.spec.pipeline import load_pipeline

    if file_kind(path) == "classifier":
        return FunctionSpec(path, _plain())
    spec = local_pipeline(load_pipeline(path))
    if name not in spec.functions:
        cure = did_you_mean(name, spec.functions) or f"name one of {', '.join(spec.functions) or 'its functions'}"
        raise NotFoundError(f"it has no function '{name}'", where=str(path), cure=cure)
    function = spec.functions[name]
    module = resources.module(function.file, spec.folder)
    return FunctionSpec(module, function_options(spec, name), function.replicas, function.queue.size)


def _each(
    option: str, words: Sequence[str], names: Sequence[str], read: Callable[[str, str], Any]
) -> Mapping[str, Any]:
    """A setting's value for each function that has one: by its name, or the one for all."""
    general = [word for word in words if "=" not in word]
    if len(general) > 1:
        raise UsageError(f"{option} is given twice for all functions", cure=f"keep one, or write {option} NAME=…")
    found = {name: read(option, general[0]) for name in names} if general else {}
    for name, text in options.pairs(option, [word for word in words if "=" in word], "blur=8").items():
        if name not in names:
            cure = did_you_mean(name, names) or f"name one of the functions: {', '.join(names) or 'there is none'}"
            raise UsageError(f"{option} {name}=: no such function", cure=cure)
        found[name] = read(option, text)
    return found


def _count(option: str, text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{option} {text}: no number", cure=f"write it like {option} 8")
    return int(text)


def _time(option: str, text: str) -> float:
    return math.inf if text == "none" else parse_duration(text)


def _size(option: str, text: str) -> int:
    return parse_size(text)


_READ: Mapping[str, tuple[str, str, Callable[[str, str], Any]]] = {
    "instances": ("--function-instances", "function_instances", _count),
    "queue": ("--function-queue", "function_queue", _count),
    "timeout_s": ("--function-timeout", "function_timeout", _time),
    "max_body": ("--function-body", "function_body", _size),
}
