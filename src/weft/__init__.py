"""Weft runs sandboxed AI functions on streams of pictures and data.

::

    import weft

    classify = weft.load("classify.wasm", models={"net": "mobilenetv2.onnx"})
    for result in classify(weft.Frame(jpeg, media_type="image/jpeg")):
        print(result.payload)

    summary = weft.Pipeline.load("pipeline.yaml").run()

Everything here is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weft.core.errors import WeftError
    from weft.core.frame import Frame
    from weft.core.limits import Grants, Limits, StateGrant
    from weft.core.model import ModelOptions
    from weft.core.tensor import Tensor
    from weft.flow.callable import LoadedFunction, load
    from weft.flow.graph import FunctionNode, OnError, SinkNode, SourceNode
    from weft.flow.handlers import python
    from weft.flow.pipeline import Pipeline

__version__ = "0.1.0"

_HOMES = {
    "Frame": "weft.core.frame",
    "FunctionNode": "weft.flow.graph",
    "Grants": "weft.core.limits",
    "Limits": "weft.core.limits",
    "LoadedFunction": "weft.flow.callable",
    "ModelOptions": "weft.core.model",
    "OnError": "weft.flow.graph",
    "Pipeline": "weft.flow.pipeline",
    "SinkNode": "weft.flow.graph",
    "SourceNode": "weft.flow.graph",
    "StateGrant": "weft.core.limits",
    "Tensor": "weft.core.tensor",
    "WeftError": "weft.core.errors",
    "load": "weft.flow.callable",
    "python": "weft.flow.handlers",
}

__all__ = [
    "Frame",
    "FunctionNode",
    "Grants",
    "Limits",
    "LoadedFunction",
    "ModelOptions",
    "OnError",
    "Pipeline",
    "SinkNode",
    "SourceNode",
    "StateGrant",
    "Tensor",
    "WeftError",
    "load",
    "python",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'weft' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
