"""What a component exports for the host to call."""

from __future__ import annotations

from weft.wasm.component import shape

RUN = "wasi:cli/run@"
"""What a command exports, whatever the version behind it."""


def callable_exports(exports: dict[str, shape.Items]) -> dict[str, str]:
    """The functions the ABIs call, by the names they know them by, with their types."""
    functions = shape.functions(exports.get(shape.ROOT, {}))
    if run := run_interface(exports):
        functions["_start"] = exports[run]["run"]
    return functions


def run_interface(exports: dict[str, shape.Items]) -> str | None:
    """The name under which a command exports its ``run``."""
    return next((name for name, items in exports.items() if name.startswith(RUN) and "run" in items), None)
