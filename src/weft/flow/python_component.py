"""Python functions in the component form: one interpreter for all, given the function's files when it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from weft.flow.functions import FunctionOptions, settings_of
from weft.toolchains.componentize import interpreter

if TYPE_CHECKING:
    from weft.wasm.function import Function


def load_component_python(
    path: Path,
    files: Sequence[tuple[str, str]],
    options: FunctionOptions,
    tell: Callable[[str], object] | None = None,
) -> Function:
    """The function in ``path``, whose ``files`` are names and texts, its own first.

    ``tell`` is told, once, when the interpreter must be built first. Raises OutputError, and as
    :func:`weft.flow.functions.load_function`.
    """
    from weft.wasm.function import Function

    settings = replace(settings_of(options, path.stem), files=tuple(files))
    return Function(interpreter(tell), settings, policy=options.policy)
