"""The options of commands that run a guest: what it is granted, what it may take, and what runs its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from weft.cli import options

if TYPE_CHECKING:
    from weft.flow.functions import FunctionOptions, ModelGrant
    from weft.wasm.trace import HostTrace

Flags = Annotated[list[str], Parameter(negative="", show_default=False)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]
LogLevel = Literal["debug", "info", "warning", "error"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GuestOptions:
    """How a function runs."""

    model: Flags = field(default_factory=list)
    """Grant a model: NAME=FILE, or a reference, such as NAME=oci://REGISTRY/REPOSITORY:TAG or NAME=hf:ORG/REPO/FILE."""
    config: Flags = field(default_factory=list)
    """A value the function can ask for: KEY=VALUE, or KEY=@FILE for a file's text."""
    dir: Flags = field(default_factory=list)
    """Grant a directory: HOST[:GUEST][:ro]."""
    env: Flags = field(default_factory=list)
    """Grant an environment variable: NAME=VALUE, or NAME for this process's value."""
    allow: Flags = field(default_factory=list)
    """Grant a capability, such as nn.load."""
    state: str | None = None
    """Grant state, kept in a file: FILE or FILE:SIZE, such as counter.db:4MiB (default 1MiB)."""
    http: Flags = field(default_factory=list)
    """Grant HTTP requests to a host: HOST[:PORT], such as api.example.org or *.example.org:8443."""
    memory: str | None = None
    """Memory limit of an instance, such as 64MiB (default 256MiB)."""
    timeout: str | None = None
    """Time limit for a frame, such as 200ms, or "none" (default 60s)."""
    limit: Flags = field(default_factory=list)
    """Another limit: NAME=VALUE, such as stdout=64MiB, output=1GiB, http=1GiB, start=1min, emits=10000, handles=128 or
    logs=1000."""
    abi: str | None = None
    """How the module is called: command, reactor, component, stdio, yomo or bindgen; detected by default. For Python
    component or stdio."""
    engine: str | None = None
    """What runs the models: onnxruntime, litert, openvino, or auto to time them once."""
    device: str = "cpu"
    """Where the models run: cpu, cuda, cuda:1, gpu …"""
    precision: str = "f32"
    """What the engine computes in: f32, bf16 or f16."""
    threads: int = 0
    """Threads of one inference; 0 is one per core."""
    trust: Switch = False
    """Load compiled code that was not made here by you."""
    log_level: LogLevel = "warning"
    """How much the functions' logs tell."""

    def given(self) -> tuple[str, ...]:
        """The options that were written; all but the level of the log, which any command takes."""
        return tuple(name for name in options.written(self) if name != "--log-level")

    def function_options(self, args: tuple[str, ...], trace: HostTrace | None = None) -> FunctionOptions:
        """What they say of a function with these arguments.

        Raises UsageError for what is written wrongly, and NotFoundError for a model that is not there.
        """
        from weft.flow.functions import FunctionOptions

        return FunctionOptions(
            abi=self.abi,
            grants=options.grants(self.dir, self.env, self.allow, self.state, self.http),
            limits=options.limits(self.memory, self.timeout, self.limit),
            config=options.pairs("--config", self.config, "threshold=0.5"),
            models=self._models(),
            args=args,
            trust=self.trust,
            trace=trace,
        )

    def _models(self) -> Mapping[str, ModelGrant]:
        from weft.core.model import ModelOptions
        from weft.flow.functions import ModelGrant

        how = ModelOptions(self.engine, self.device, self.precision, self.threads)
        files = options.pairs("--model", self.model, "net=model.onnx")
        return {name: ModelGrant(options.existing(file, "model"), how) for name, file in files.items()}
