"""The functions of a document as a pipeline's nodes: each is loaded once, for all its replicas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weft.core import resources
from weft.core.once import Once
from weft.core.protocols import Function, Handler
from weft.flow.functions import FunctionOptions, ModelGrant, load_function
from weft.flow.graph import FunctionNode, OnError
from weft.flow.state_place import default_path

if TYPE_CHECKING:
    from weft.spec.function import FunctionSpec
    from weft.spec.pipeline import PipelineSpec
    from weft.wasm.trace import HostTrace


def function_node(spec: PipelineSpec, name: str, trace: HostTrace | None) -> FunctionNode:
    """One function; ``trace`` is told its calls of the host. Nothing is loaded until it is opened."""
    function = spec.functions[name]

    @Once
    def shared() -> Function:
        module = resources.module(function.file, spec.folder)
        return load_function(module, function_options(spec, name, trace))

    def open_handler() -> Handler:
        return shared().instance()

    return FunctionNode(
        name=name,
        open=open_handler,
        inputs=spec.function_inputs(name),
        outputs=function.outputs,
        replicas=function.replicas,
        queue_size=function.queue.size,
        overflow=function.queue.overflow,
        on_error=_on_error(function),
    )


def function_options(spec: PipelineSpec, name: str, trace: HostTrace | None = None) -> FunctionOptions:
    """All that a document says of one of its functions besides its module, as :func:`load_function` takes it."""
    function = spec.functions[name]
    models = {known: ModelGrant(spec.resolve(use.path), use.options()) for known, use in function.models.items()}
    return FunctionOptions(
        name=name,
        abi=function.abi,
        models=models,
        grants=function.grants.grants(spec.folder, state_path(spec, name)),
        limits=function.limits.limits(),
        config=function.config,
        args=function.args,
        outputs=function.outputs or (name,),
        policy=function.instance,
        folder=spec.folder,
        trace=trace,
    )


def state_path(spec: PipelineSpec, name: str) -> Path:
    """Where a function keeps its state unless the document says. Raises UnavailableError without a home directory."""
    if spec.functions[name].grants.state is None:
        return Path()
    return default_path(spec.name if "name" in spec.model_fields_set else None, spec.folder, name)


def _on_error(function: FunctionSpec) -> OnError:
    policy = function.on_error
    return OnError(policy.action, retries=policy.retry, stream=policy.target or "")
