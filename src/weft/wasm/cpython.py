"""CPython for wasm32-wasip1 as a stdio guest: its entry point is ``run``, which takes arguments as ``python`` does."""

from __future__ import annotations

import json
from typing import ClassVar

from weft.wasm.abi.stdio import Stdio
from weft.wasm.program import Program


class Cpython(Stdio):
    """As stdio. It is chosen by who loads a Python function, never by a module's looks."""

    summary = "a Python function in the stdio form"
    needs: ClassVar[dict[str, str]] = {"run": "() -> (i32)"}

    @classmethod
    def start_record(cls, program: Program) -> bytes:
        """The function's files and its config."""
        settings = program.settings
        return json.dumps({"files": settings.files, "config": dict(settings.config)}).encode()
