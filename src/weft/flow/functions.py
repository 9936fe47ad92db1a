"""Where the sandbox meets models and pictures: functions as pipelines, the command line and programs load them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core.errors import InputError, NotFoundError, UnavailableError
from weft.core.files import read_whole, readable_name
from weft.core.limits import Grants, Limits
from weft.core.model import Model, ModelInfo, ModelOptions, Port
from weft.core.once import Once
from weft.core.suggest import meant_file
from weft.core.units import format_size
from weft.flow.remote import local_path

if TYPE_CHECKING:
    from weft.core.protocols import Function
    from weft.flow.state import FunctionState
    from weft.nn.service import ModelService
    from weft.wasm.function import Function as WasmFunction
    from weft.wasm.function import InstancePolicy
    from weft.wasm.program import Settings
    from weft.wasm.services import Services
    from weft.wasm.trace import HostTrace

PYTHON_ENDING = ".py"
DOCUMENT_ENDINGS = {".yaml", ".yml"}

MAX_CONFIG_FILE = 16 * 2**20
"""Bytes of a file that a config value may stand for."""


@dataclass(frozen=True, slots=True)
class ModelGrant:
    """A model file a function may load by name, and how it is to run."""

    path: Path
    options: ModelOptions = ModelOptions()


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """All that may be said of a function besides its module; see ``weft.wasm.program.Settings``.

    ``models`` are files, or models that are loaded already, such as those of a server.
    ``config`` values that start with ``@`` stand for the text of a file; ``@@`` is a plain ``@``.
    """

    name: str = ""
    abi: str | None = None
    models: Mapping[str, ModelGrant | Model] = field(default_factory=dict)
    grants: Grants = field(default_factory=Grants)
    limits: Limits = field(default_factory=Limits)
    config: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    policy: InstancePolicy = "reuse"
    trust: bool = False
    folder: Path = Path()
    trace: HostTrace | None = None


@Once
def models() -> ModelService:
    """The process's models: each loaded once."""
    from weft.nn.service import ModelService

    return ModelService()


@Once
def services() -> Services:
    """What host modules draw on."""
    from weft.media.images import open_picture, picture_of
    from weft.media.tensors import fill_tensor
    from weft.wasm.services import Services

    return Services(_LazyModels(), open_picture, picture_of, fill_tensor)


class _LazyModels:
    """The process's models, imported only when a guest brings one: most never do."""

    def load(self, path: Path, options: ModelOptions = ModelOptions()) -> Model:
        """A model's file. Raises as :class:`weft.nn.service.ModelService`."""
        return models().load(path, options)

    def load_bytes(self, parts: Sequence[bytes], options: ModelOptions = ModelOptions()) -> Model:
        """A model's bytes, as a guest brings them. Raises as :class:`weft.nn.service.ModelService`."""
        return models().load_bytes(parts, options)


def load_function(path: Path, options: FunctionOptions) -> Function:
    """A function ready to be instantiated, whatever its file is: a module, Python, or a classifier's document.

    Raises NotFoundError, ModuleError, ModelError, UnavailableError, DeniedError, UsageError, DocumentError.
    """
    if path.suffix == PYTHON_ENDING:
        from weft.flow.python_function import load_python

        return load_python(path, options)
    if path.suffix in DOCUMENT_ENDINGS:
        from weft.flow.classifier import load_classifier

        return load_classifier(path, options)
    return load_module_function(path, options)


def load_module_function(path: Path, options: FunctionOptions) -> WasmFunction:
    """A module compiled and linked, its models loaded. Raises as :func:`load_function`."""
    from weft.wasm.function import Function

    settings = settings_of(options, Path(readable_name(path)).stem)
    return Function(path, settings, abi=options.abi, policy=options.policy, trust=options.trust)


def settings_of(options: FunctionOptions, name: str) -> Settings:
    """What the sandbox is told of a function, its models loaded; ``name`` where the options have none."""
    from weft.wasm.program import Settings

    granted = {name: _granted(grant) for name, grant in options.models.items()}
    written = {key: config_text(value, options.folder) for key, value in options.config.items()}
    return Settings(
        name=options.name or name,
        services=services(),
        models=granted,
        grants=options.grants,
        limits=options.limits,
        config={**_told(granted), **written},
        args=options.args,
        outputs=options.outputs,
        state=state_of(options.grants),
        trace=options.trace,
    )


def _granted(grant: ModelGrant | Model) -> Model:
    return models().load(grant.path, grant.options) if isinstance(grant, ModelGrant) else grant


def state_of(grants: Grants) -> FunctionState | None:
    """Where a function's state is kept, opened; None where none is granted.

    Raises NotFoundError, InputError, OutputError, UnavailableError.
    """
    if grants.state is None:
        return None
    from weft.flow.state import FunctionState

    return FunctionState(grants.state)


def _told(granted: Mapping[str, Model]) -> dict[str, str]:
    """What a function can ask of its models: ``model.NAME.input.0`` is ``f32[1,3,224,224]``, and so on."""
    return {
        f"model.{name}.{kind}.{index}": _shape(port)
        for name, model in granted.items()
        if (info := _info(model)) is not None
        for kind, ports in (("input", info.inputs), ("output", info.outputs))
        for index, port in enumerate(ports)
    }


def _info(model: Model) -> ModelInfo | None:
    """What a model is; None while that is not known, as of a served one that could not be loaded yet."""
    try:
        return model.info
    except UnavailableError:
        return None


def _shape(port: Port) -> str:
    dims = ["?" if dim is None else str(dim) for dim in port.shape or ()]
    return f"{port.dtype}[{','.join(dims) if port.shape is not None else '…'}]"


def config_text(value: str, folder: Path) -> str:
    """A config value, read from its file where it starts with ``@``.

    Raises NotFoundError, and InputError for a file that is no text or over ``MAX_CONFIG_FILE``.
    """
    if not value.startswith("@"):
        return value
    if value.startswith("@@"):
        return value[1:]
    path = local_path(value[1:], folder)
    try:
        data = read_whole(path, MAX_CONFIG_FILE)
    except OSError as error:
        what = f"the config value's file cannot be read: {error.strerror}"
        cure = meant_file(path) or "check the path; write @@ for a plain @"
        raise NotFoundError(what, where=str(path), cure=cure) from error
    if len(data) > MAX_CONFIG_FILE:
        what = f"a config value has at most {format_size(MAX_CONFIG_FILE)}"
        raise InputError(what, where=str(path), cure="grant its directory instead")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            "the config value's file is no UTF-8 text", where=str(path), cure="save it as UTF-8"
        ) from error
