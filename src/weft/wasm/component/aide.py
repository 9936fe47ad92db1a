"""An aide: a small component of ours in a guest's store, for what only a component can do with the guest's handles."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import wasmtime
from wasmtime import _bindings
from wasmtime import component as wc

from weft.core.once import Once
from weft.wasm.component import library
from weft.wasm.engine import engine
from weft.wasm.native import Stop

WASI = "0.2.12"
"""The version under which wasmtime's linker has its WASI; guests may import another one."""


class AideCode:
    """What an aide is made of: compiled when a guest first needs it, once per process."""

    def __init__(self, name: str, text: str, functions: Sequence[str], *, http: bool = False) -> None:
        """``text`` exports ``functions``, and imports WASI; with ``http`` also ``wasi:http``."""
        self._name = name
        self._text = text
        self._functions = functions
        self._http = http
        self._made = Once(self._compiled)

    def functions_in(self, context: int) -> dict[str, Any]:
        """A new aide's functions in a guest's store. Raises wasmtime.WasmtimeError where the store has no room."""
        linker, component, indexes = self._made()
        store = ctypes.cast(context, ctypes.POINTER(_bindings.wasmtime_context_t))
        instance = library.instantiate(linker, store, component)
        return {name: library.function_of(instance, store, index) for name, index in indexes.items()}

    def _compiled(self) -> tuple[wc.Linker, wc.Component, dict[str, wc.ExportIndex]]:
        linker = wc.Linker(engine().raw)
        linker.add_wasip2()
        if self._http:
            linker.add_wasi_http()
        component = engine().compile_component(bytes(wasmtime.wat2wasm(self._text)), self._name)
        found = {name: component.get_export_index(name) for name in self._functions}
        return linker, component, {name: index for name, index in found.items() if index is not None}


class Aide:
    """An aide in one guest's store."""

    def __init__(self, code: AideCode, context: int) -> None:
        """Raises wasmtime.WasmtimeError where the store has no room for it."""
        self._context = context
        self._functions = code.functions_in(context)

    def call(self, name: str, params: Any, count: int, result: int) -> None:
        """Call a function with so many values; what it returns is put at an address. Raises Stop where it ended."""
        if error := library.call(ctypes.byref(self._functions[name]), self._context, params, count, result, 1):
            library.error_delete(error)
            raise Stop  # its time was up, or there is no room
