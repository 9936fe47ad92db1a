"""The options of ``weft serve``, turned into what the server takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli import options
from weft.core.errors import UsageError
from weft.core.model import ModelOptions
from weft.core.suggest import did_you_mean
from weft.core.units import parse_duration, parse_size

if TYPE_CHECKING:
    from weft.serve.caller import Access
    from weft.serve.models.service import Models
    from weft.serve.models.spec import ModelSpec
    from weft.serve.settings import ServerSettings
    from weft.serve.tls import Tls

Words = Annotated[list[str], Parameter(negative="", show_default=False)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServedModels:
    """Which models are served, and how."""

    model: Words = field(default_factory=list)
    """A model and its name, NAME=FILE, or NAME/VERSION=FILE for a version other than 1. May be given several times."""
    labels: Words = field(default_factory=list)
    """The names of a model's classes, NAME=FILE: a text file with one on each line."""
    max_batch: Words = field(default_factory=list)
    """Join requests that wait to batches of up to this many rows, for all models or as NAME=ROWS; 1 by default."""
    batch_window: Words = field(default_factory=list)
    """How long a request waits for others to join it, such as 2ms, for all models or as NAME=TIME; 0 by default."""
    queue: Words = field(default_factory=list)
    """Requests that may wait, for all models or as NAME=COUNT; 256 by default. More are answered 503."""
    instances: Words = field(default_factory=list)
    """Inferences that run at the same time, for all models or as NAME=COUNT; one per core by default."""
    timeout: Words = field(default_factory=list)
    """Time from a request to its answer, for all models or as NAME=TIME; 60s by default, none for no limit."""
    memory: str | None = None
    """Memory for models, by the size of their files, such as 2GiB: idle ones are put aside for others."""
    engine: str | None = None
    """onnxruntime, litert, openvino, or auto to time them once on each model's own inputs."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, gpu … as the engine names it."""
    precision: str = "f32"
    """f32, bf16 or f16."""
    threads: int = 0
    """Threads of one inference; 0 is one per core, and one for each where requests fill the cores by themselves."""
    twin_below: Words = field(default_factory=list)
    """Models below this size, such as 1GiB, are loaded twice for that, for all models or as NAME=SIZE; 256MiB."""

    def fill(self, models: Models) -> None:
        """Name the models. Raises UsageError, NotFoundError."""
        from weft.serve.models.spec import parse_name

        named = {name: parse_name(name) for name in options.pairs("--model", self.model, "net=mobilenetv2.onnx")}
        paths = options.pairs("--model", self.model, "net=mobilenetv2.onnx")
        names = list(dict.fromkeys(name for name, _ in named.values()))
        labels = {name: options.existing(path, "labels") for name, path in self._labels(names).items()}
        values = {setting: self._each(setting, names) for setting in _SETTINGS}
        for written, (name, version) in named.items():
            settings = {setting: given[name] for setting, given in values.items() if name in given}
            models.add(name, self._spec(paths[written], labels.get(name), settings), version)

    def _spec(self, path: str, labels: Path | None, settings: Mapping[str, int | float]) -> ModelSpec:
        from weft.serve.models.spec import ModelSpec

        how = ModelOptions(self.engine, self.device, self.precision, self.threads)
        return ModelSpec(options.existing(path, "model"), how, labels, **settings)  # type: ignore[arg-type]  # by _SETTINGS

    def _labels(self, names: Sequence[str]) -> dict[str, str]:
        found = options.pairs("--labels", self.labels, "net=imagenet.txt")
        for name in found:
            _check_named("--labels", name, names)
        return found

    def _each(self, setting: str, names: Sequence[str]) -> dict[str, int | float]:
        """A setting's value for each model that has one: by its name, or the one for all."""
        option = "--" + setting.removesuffix("_s").replace("_", "-")
        words: list[str] = getattr(self, setting.removesuffix("_s"))
        general = [word for word in words if "=" not in word]
        if len(general) > 1:
            raise UsageError(f"{option} is given twice for all models", cure=f"keep one, or write {option} NAME=…")
        found = {name: _value(setting, option, general[0]) for name in names} if general else {}
        for name, text in options.pairs(option, [word for word in words if "=" in word], "net=8").items():
            _check_named(option, name, names)
            found[name] = _value(setting, option, text)
        return found


_SETTINGS = ("max_batch", "batch_window_s", "queue", "instances", "timeout_s", "twin_below")


def _check_named(option: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        cure = did_you_mean(name, names) or f"name one of the models: {', '.join(names) or 'there is none'}"
        raise UsageError(f"{option} {name}=: no such model", cure=cure)


def _value(setting: str, option: str, text: str) -> int | float:
    if setting.endswith("_s"):
        return math.inf if text == "none" and setting == "timeout_s" else parse_duration(text)
    if setting == "twin_below":
        return parse_size(text)
    if not text.isdecimal():
        raise UsageError(f"{option} {text}: no number", cure=f"write it like {option} 8")
    return int(text)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where the server listens, and how much it takes."""

    host: str = "127.0.0.1"
    """Where it listens; 0.0.0.0 for every address of this machine."""
    port: int = 8078
    """The port; 0 takes a free one."""
    max_body: str = "256MiB"
    """The largest body of a request. Larger ones are answered 413."""
    max_bodies: str = "1GiB"
    """Bodies in memory at the same time, all together. More are answered 503."""
    max_connections: int = 1000
    """Connections at the same time. More are answered 503."""
    drain: str = "30s"
    """How long what was taken may take to finish when the server is stopped."""
    access_log: Switch = False
    """Write a line for every request to standard error."""
    access: Path | None = None
    """Who may do what, a document that is read again when it changes. Without one, this machine alone is served."""
    open_: Annotated[bool, Parameter(name="--open", negative="", show_default=False)] = False
    """Serve everybody who can reach the server; wanted where --host lets others in and there is no --access."""
    tls_cert: Path | None = None
    """The certificate to serve with, a PEM file; with --tls-key, for HTTP and gRPC."""
    tls_key: Path | None = None
    """Its key, a PEM file without a password."""
    cors_origin: Words = field(default_factory=list)
    """Whose pages in browsers may ask, such as https://page.example; * for all. May be given several times."""

    def settings(self) -> ServerSettings:
        """What they say. Raises UsageError."""
        from weft.serve.settings import ServerSettings

        return ServerSettings(
            host=self.host,
            port=self.port,
            max_body=parse_size(self.max_body),
            max_bodies=parse_size(self.max_bodies),
            max_connections=self.max_connections,
            drain_s=parse_duration(self.drain),
            access_log=self.access_log,
            tls=self._tls(),
            cors_origins=tuple(self.cors_origin),
        )

    def callers(self) -> Access:
        """Who is let in. Raises UsageError, and what loading the document raises."""
        from weft.serve.access.local import choose_access

        return choose_access(self.access, self.host, is_open=self.open_, origins=tuple(self.cors_origin))

    def _tls(self) -> Tls | None:
        from weft.serve.tls import Tls

        if self.tls_cert is None and self.tls_key is None:
            return None
        if self.tls_cert is None or self.tls_key is None:
            raise UsageError("--tls-cert and --tls-key belong together", cure="give both")
        tls = Tls(self.tls_cert, self.tls_key)
        tls.context()  # so that mistakes are told before anything is loaded
        return tls
