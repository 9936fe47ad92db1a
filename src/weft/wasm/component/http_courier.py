"""The courier: an aide through which the host looks at a guest's requests and sends them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from weft.wasm.component import cvalues, library
from weft.wasm.component.aide import Aide, AideCode
from weft.wasm.component.http_courier_text import TEXT
from weft.wasm.component.types import STRING, U64, Type, no_handles

_LONGEST = 2**62

_CODE = AideCode("http courier", TEXT, ("look", "patience", "turn", "send"), http=True)


@dataclass(frozen=True, slots=True)
class Request:
    """What a guest asks for.

    Attributes:
        scheme: in small letters; ``https`` where the guest left it out.
        authority: the host, perhaps with a port, as the guest wrote it.
        path: with the query.
        method: in capitals.
    """

    scheme: str
    authority: str
    path: str
    method: str


class Courier(Aide):
    """The courier in one guest's store."""

    def __init__(self, context: int) -> None:
        """Raises wasmtime.WasmtimeError where the store has no room for it."""
        super().__init__(_CODE, context)

    def look(self, request: int) -> Request:
        """What the request at an address asks for."""
        scheme, authority, path, method = self._ask("look", [request])
        return Request(
            scheme=_word(scheme).lower() if scheme else "https",
            authority=authority or "",
            path=path or "/",
            method=_word(method).upper(),
        )

    def patience(self, options: int) -> float | None:
        """Seconds that the options at an address have for connecting, where they say."""
        found = self._ask("patience", [options])
        return None if found is None else found / 1e9

    def turn(self, request: int, authority: str, path: str) -> bool:
        """Have a request go elsewhere, by plain HTTP. False where wasmtime does not take the words."""
        return bool(self._ask("turn", [request], (STRING, authority), (STRING, path)))

    def send(self, request: int, options: int, most: float, result: int) -> None:
        """Send a request. Each of its timeouts is at most ``most`` seconds; what came of it is put at ``result``."""
        self._give("send", [request, options], [(U64, int(min(most * 1e9, _LONGEST)))], result)

    def _ask(self, name: str, given: list[int], *more: tuple[Type, Any]) -> Any:
        space = ctypes.create_string_buffer(cvalues.SIZE)
        self._give(name, given, list(more), ctypes.addressof(space))
        try:
            return cvalues.read(ctypes.addressof(space), None)
        finally:
            library.value_delete(space)

    def _give(self, name: str, given: list[int], more: list[tuple[Type, Any]], result: int) -> None:
        """Call with the values at addresses, which stay whose they are, and then values of ours."""
        size = cvalues.SIZE
        params = ctypes.create_string_buffer((len(given) + len(more)) * size)
        at = ctypes.addressof(params)
        for place, address in enumerate(given):
            ctypes.memmove(at + place * size, address, size)
        ours = range(at + len(given) * size, at + len(params), size)
        for address, (ty, value) in zip(ours, more, strict=True):
            ty.write(address, value, no_handles)
        try:
            self.call(name, params, len(given) + len(more), result)
        finally:
            for address in ours:
                library.value_delete(address)


def _word(variant: tuple[str, str | None]) -> str:
    """A method or a scheme."""
    case, other = variant
    return case if other is None else other
