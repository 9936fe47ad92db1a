"""``weft:function/program``: the function's source, for an interpreter that is compiled once."""

from __future__ import annotations

from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.weft_types import WeftInterface
from weft.wasm.component.types import STRING, List, Option, Tuple
from weft.wasm.guard import Refusal

MAX_COMPILED = 64 * 2**20
"""Bytes of compiled files that are kept for a function."""


class WeftProgram(WeftInterface):
    """The function's files."""

    name = "weft:function/program"

    @offered(result=List(Tuple((STRING, STRING))))
    def files(self) -> list[tuple[str, str]]:
        """Name and text of each file; the function's own is the first."""
        return list(self.instance.settings.files)

    @offered(result=Option(STRING))
    def compiled(self) -> str | None:
        """What was kept, which no instance can change: it comes from before any of the function's own code ran."""
        kept = self.instance.settings.compiled
        return kept[0] if kept else None

    @offered(STRING)
    def keep_compiled(self, code: str) -> None:
        """Keep it for the instances to come, where nothing is kept yet."""
        if len(code) > MAX_COMPILED:
            raise Refusal("too_large", f"{len(code)} bytes of compiled files; at most {MAX_COMPILED} are kept")
        if not self.instance.settings.compiled:
            self.instance.settings.compiled.append(code)
