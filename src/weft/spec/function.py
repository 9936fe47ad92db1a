"""A function in a pipeline: its module, streams, models, grants, limits and what happens when it fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from weft.core import limits as core
from weft.core.errors import UsageError
from weft.core.hosts import parse_host
from weft.core.model import Layout, ModelOptions
from weft.core.suggest import did_you_mean
from weft.spec.endpoints import MAX_INPUTS, Queue
from weft.spec.values import AsTuple, Duration, FilePath, Part, Size, StreamName, StreamPattern, Text, mistake

MAX_OUTPUTS = 16
Abi = Literal["auto", "command", "stdio", "reactor", "component", "yomo", "bindgen"]

_LIMITS = core.Limits()
_STATE = core.StateGrant(Path())
_CAPABILITIES = "; ".join(f"`{name}`, {text}" for name, text in core.CAPABILITIES.items())


def _short_model(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class ModelFile(Part):
    """A model and what runs it. A path alone is short for `{path: …}`."""

    path: FilePath = Field(description="The model file (ONNX, TFLite, OpenVINO IR, TensorFlow) or SavedModel folder.")
    engine: str | None = Field(
        default=None,
        description="The engine that runs it: `onnxruntime`, `litert`, `openvino`, or `auto` to time the installed "
        "ones once. The first installed one that reads the format if absent.",
    )
    device: str = Field(
        default="cpu", min_length=1, description="The device, as the engine names it: `cpu`, `cuda`, `gpu` …."
    )
    precision: Literal["f32", "tf32", "f16", "bf16"] = Field(
        default="f32", description="What the engine computes in; an engine that cannot says so."
    )
    threads: int = Field(default=0, ge=0, le=1024, description="Threads of one inference; 0 is one per core.")

    def options(self) -> ModelOptions:
        """The choices as ``weft.nn`` takes them."""
        return ModelOptions(self.engine, self.device, self.precision, self.threads)


class ModelUse(ModelFile):
    """A model a function may load by name. A path alone is short for `{path: …}`."""

    layout: Layout | None = Field(
        default=None, description="What the data of picture inputs really is, for functions whose shapes say otherwise."
    )

    outputs: Annotated[tuple[Text, ...], AsTuple] = Field(
        default=(),
        max_length=64,
        description="Tensors from inside the graph, by name, to have as outputs beside the model's own.",
    )

    def options(self) -> ModelOptions:
        """As :meth:`ModelFile.options`, with the layout and the inner outputs."""
        return ModelOptions(self.engine, self.device, self.precision, self.threads, self.layout, self.outputs)


class Limits(Part):
    """How much a function may use. Reaching a limit fails the frame, never the process."""

    memory: Size = Field(default=_LIMITS.memory, description="Memory of one instance, like `64MiB`.")
    time: Duration = Field(default=_LIMITS.time, description="Time for one frame, host calls included, like `200ms`.")
    start: Duration = Field(default=_LIMITS.start, description="Time for starting an instance.")
    stdout: Size = Field(default=_LIMITS.stdout, description="What it may print per frame.")
    output: Size = Field(default=_LIMITS.output, description="Bytes it may emit per frame.")
    emits: int = Field(default=_LIMITS.emits, ge=1, description="Frames it may emit per frame.")
    handles: int = Field(default=_LIMITS.handles, ge=1, description="Graphs and contexts it may hold open.")
    logs: int = Field(default=_LIMITS.logs, ge=0, description="Log lines per frame; more are counted and dropped.")
    http: Size = Field(default=_LIMITS.http, description="Bytes of the responses to its HTTP requests, per frame.")

    def limits(self) -> core.Limits:
        """The limits as the sandbox takes them."""
        return core.Limits(**self.model_dump())


def _dir(text: str) -> str:
    try:
        if text.isprintable() and core.parse_dir(text):
            return text
    except UsageError:
        pass
    raise mistake("is no directory grant", "write host:guest or host:guest:ro, like data:/data:ro")


def _host(text: str) -> str:
    try:
        parse_host(text)
    except UsageError as error:
        raise mistake(error.what, error.cure) from None
    return text


def _capability(name: str) -> str:
    if name not in core.CAPABILITIES:
        known = f"one of {', '.join(core.CAPABILITIES)}"
        raise mistake(f"'{name[:40]}' is no capability", did_you_mean(name, core.CAPABILITIES) or known)
    return name


def _short_state(value: Any) -> Any:
    return {"size": value} if isinstance(value, int | str) and not isinstance(value, bool) else value


class StateUse(Part):
    """Values that a function keeps from one frame to the next, and from one run to the next.

    A size alone is short for `{size: …}`.
    """

    size: Size = Field(default=_STATE.size, description="Bytes of all its keys and values together, like `1MiB`.")
    path: FilePath | None = Field(
        default=None,
        description="The file it is kept in; functions that name one file share it. If absent, one in this user's "
        "state folder, named after the pipeline and the function.",
    )
    value: Size | None = Field(default=None, description="Bytes of one value; as many as of all if absent.")
    keys: int = Field(default=_STATE.keys, ge=1, le=2**31, description="How many keys it may have.")

    def grant(self, folder: Path, place: Path) -> core.StateGrant:
        """The grant as the sandbox takes it: a file relative to ``folder``, or ``place``."""
        path = place if self.path is None else folder / self.path
        return core.StateGrant(path, self.size, self.value, self.keys)


DirText = Annotated[str, AfterValidator(_dir)]
HostText = Annotated[str, AfterValidator(_host)]
Capability = Annotated[str, AfterValidator(_capability)]


class Grants(Part):
    """What a function may use beyond computing. Nothing is granted by default."""

    dirs: Annotated[tuple[DirText, ...], AsTuple] = Field(
        default=(), max_length=64, description="Directories it may open, each `host`, `host:guest` or `host:guest:ro`."
    )
    env: dict[str, Text] = Field(default_factory=dict, max_length=256, description="Its whole environment.")
    allow: Annotated[tuple[Capability, ...], AsTuple] = Field(
        default=(), max_length=16, description=f"Named capabilities: {_CAPABILITIES}."
    )
    state: Annotated[
        StateUse | None, BeforeValidator(_short_state, json_schema_input_type=int | str | StateUse | None)
    ] = Field(default=None, description="Values it may keep; nothing outlives an instance if absent.")
    http: Annotated[tuple[HostText, ...], AsTuple] = Field(
        default=(),
        max_length=64,
        description="Hosts it may make HTTP requests to, each `host`, `host:port`, `*.host`, an address or a network.",
    )

    def grants(self, folder: Path, place: Path = Path()) -> core.Grants:
        """The grants as the sandbox takes them; host directories and files are relative to ``folder``.

        ``place`` is where state is kept whose file is not named.
        """
        dirs = [core.parse_dir(text) for text in self.dirs]
        hosts = tuple(replace(grant, host=folder / grant.host) for grant in dirs)
        state = None if self.state is None else self.state.grant(folder, place)
        reached = tuple(map(parse_host, self.http))
        return core.Grants(hosts, MappingProxyType(dict(self.env)), frozenset(self.allow), state, reached)


class ErrorStream(Part):
    """Send a record of the failure on, as JSON, in place of the frame."""

    stream: StreamName = Field(description="The stream the records go to; functions may share it.")


def _shape_tag(value: Any) -> str:
    return "<word>" if isinstance(value, str) else "<stream>"


Then = Annotated[
    Annotated[Literal["skip", "fail"], Tag("<word>")] | Annotated[ErrorStream, Tag("<stream>")],
    Discriminator(_shape_tag),
]


class OnError(Part):
    """What happens to a frame on which the function failed: it is counted, perhaps tried again, and then …

    A word alone, `skip` or `fail`, is short for `{then: skip}`.
    """

    retry: int = Field(default=0, ge=0, le=100, description="How often to try the frame again.")
    then: Then | None = Field(
        default=None,
        description="`skip` drops the frame (the default), `fail` stops the pipeline, `{stream: NAME}` sends a record.",
    )
    stream: StreamName | None = Field(default=None, description="Short for `then: {stream: NAME}`.")

    @model_validator(mode="after")
    def _one_way(self) -> OnError:
        if self.then is not None and self.stream is not None:
            raise mistake("has both `then` and `stream`", "keep one")
        return self

    @property
    def action(self) -> Literal["skip", "fail", "stream"]:
        """What happens when no try is left."""
        if self.target is not None:
            return "stream"
        return "fail" if self.then == "fail" else "skip"

    @property
    def target(self) -> str | None:
        """The stream that records of failures go to, where they go to one."""
        return self.then.stream if isinstance(self.then, ErrorStream) else self.stream


def _short_on_error(value: Any) -> Any:
    return {"then": value} if isinstance(value, str) else value


FORMS = ("wasm", "python", "classify")
"""The keys that say what a function is; each function has exactly one."""


class FunctionSpec(Part):
    """A function between streams: a module (`wasm`), a Python file (`python`) or a described one (`classify`)."""

    wasm: FilePath | None = Field(
        default=None,
        description="The module: `.wasm`, `.wat`, `.cwasm` from `weft compile`, or `weft:NAME`, which ships with Weft.",
    )
    python: FilePath | None = Field(
        default=None, description="A Python file with `def handle(frame)`, run in the sandbox."
    )
    classify: FilePath | None = Field(
        default=None, description="A document that says which model names what is in a picture: no code at all."
    )
    abi: Abi = Field(default="auto", description="How the module is called; `auto` looks at its imports and exports.")
    inputs: Annotated[tuple[StreamPattern, ...], AsTuple] = Field(
        min_length=1, max_length=MAX_INPUTS, description="The streams it takes; patterns such as `cam/*` are allowed."
    )
    outputs: Annotated[tuple[StreamName, ...], AsTuple] = Field(
        default=(),
        max_length=MAX_OUTPUTS,
        description="The streams it emits to, the default one first; the function's own name if absent.",
    )
    models: dict[str, Annotated[ModelUse, BeforeValidator(_short_model, json_schema_input_type=str | ModelUse)]] = (
        Field(default_factory=dict, max_length=64, description="The models it may load, by the names it knows them by.")
    )
    grants: Grants = Field(
        default_factory=Grants, description="What it may use beyond computing: nothing, unless granted."
    )
    limits: Limits = Field(default_factory=Limits, description="How much it may use.")
    config: dict[str, Text] = Field(
        default_factory=dict,
        max_length=256,
        description="Values it can ask for. They become text: `0.5`, `true`. "
        "A value `@labels.txt` stands for the text of that file; `@@` is a plain `@`.",
    )
    args: Annotated[tuple[Text, ...], AsTuple] = Field(
        default=(), max_length=256, description="Arguments of a command guest."
    )
    instance: Literal["reuse", "fresh"] = Field(
        default="reuse", description="`reuse` keeps an instance until it fails, `fresh` makes one for every frame."
    )
    replicas: int = Field(default=1, ge=1, le=256, description="How many work at once. The order of frames is kept.")
    queue: Queue = Field(default_factory=Queue, description="Where frames wait before it.")
    on_error: Annotated[
        OnError, BeforeValidator(_short_on_error, json_schema_input_type=Literal["skip", "fail"] | OnError)
    ] = Field(default_factory=OnError, description="What happens to a frame on which it failed.")

    @model_validator(mode="after")
    def _one_form(self) -> FunctionSpec:
        given = [form for form in FORMS if getattr(self, form) is not None]
        if not given:
            raise mistake("says not what it is", "give it `wasm: FILE`, `python: FILE` or `classify: FILE`")
        if len(given) > 1:
            raise mistake(f"has {' and '.join(f'`{form}`' for form in given)}", "keep one")
        return self

    @property
    def form(self) -> str:
        """Which of ``FORMS`` it is."""
        return next(form for form in FORMS if getattr(self, form) is not None)

    @property
    def file(self) -> str:
        """The file it is in, as written."""
        return str(getattr(self, self.form))
