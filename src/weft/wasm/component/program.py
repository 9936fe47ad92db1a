"""ComponentProgram: a component linked once against the interfaces it imports."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import wasmtime
from wasmtime import _bindings
from wasmtime import component as wc

from weft.core.errors import ModuleError
from weft.core.files import readable_name
from weft.wasm import native
from weft.wasm.component import cvalues, library, shape, waiting
from weft.wasm.component import native as linking
from weft.wasm.component.exports import callable_exports, run_interface
from weft.wasm.component.imports import HTTP_PACKAGE, Import, resolve
from weft.wasm.engine import engine
from weft.wasm.host.base import HostPart
from weft.wasm.http.counters import HttpCounters
from weft.wasm.program import NO_PARAMETERS, Program, Settings, Slot
from weft.wasm.source import LoadedComponent
from weft.wasm.store import Store, World
from weft.wasm.switch import Switch

INSTANCES = 256
"""Core instances, and instances of components, one store may hold."""

TABLES = 32

AIDES = 2
"""Aides in a guest's store, each with a linear memory: one waits, one looks at requests."""

_NOT_LINKED = "matching implementation was not found in the linker"


class ComponentProgram(Program):
    """A component linked against the host's interfaces and wasmtime's WASI.

    Raises ModuleError, naming the import, when the host has no such interface or function, or one of another type.
    """

    def __init__(self, module: LoadedComponent, settings: Settings) -> None:
        self.module = module
        self.settings = settings
        self.http = HttpCounters()
        self.slots: list[Slot] = []
        self.switch = Switch()
        self.imports: list[Import] = resolve(shape.imports(module.raw), str(module.path))
        self._component = module.raw
        self._memories = module.memories
        self._world = World([readable_name(module.path), *settings.args], settings.grants)
        self._uses_wasi = any(found.host is None for found in self.imports)
        self._uses_http = any(found.name.startswith(HTTP_PACKAGE) for found in self.imports)
        self._exports: dict[str, wc.ExportIndex] = {}
        self.functions = self._find_exports(shape.exports(module.raw))
        self._linker = self._linked()

    @property
    def interfaces(self) -> frozenset[str]:
        """The interfaces it imports."""
        return frozenset(found.name for found in self.imports)

    def store(self, stdin: bytes | str | None, instance: native.Running) -> ComponentStore:
        """An empty store with this function's limits and world; ``stdin`` as :meth:`World.config` takes it."""
        memory = max(1, self.settings.limits.memory // self._memories)
        store = ComponentStore(engine().raw, memory, self._exports, memories=self._memories + AIDES)
        if self._uses_wasi:
            store.set_wasi(self._world, stdin, native.new_printer(instance))
        if self._uses_http:
            store.set_http()
        return store

    def instantiate(self, store: Store) -> None:
        """A new instance in ``store``. Raises wasmtime's own errors, and ModuleError where WASI does not fit."""
        assert isinstance(store, ComponentStore)
        try:
            store.start(self._linker, self._component)
        except wasmtime.WasmtimeError as error:
            if _NOT_LINKED not in str(error):
                raise
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ModuleError(
                f"its imports do not fit: {'; '.join(lines)}",
                where=str(self.module.path),
                cure="build it with a toolchain of WASI 0.2",
            ) from error

    def _find_exports(self, exports: dict[str, shape.Items]) -> dict[str, str]:
        functions = callable_exports(exports)
        for name in functions:
            if name != "_start":
                self._add_export(name, None, name)
        if run := run_interface(exports):
            self._add_export("_start", self._component.get_export_index(run), "run")
        return functions

    def _add_export(self, known_as: str, parent: wc.ExportIndex | None, name: str) -> None:
        index = self._component.get_export_index(name, parent)
        assert index is not None
        self._exports[known_as] = index

    def _linked(self) -> wc.Linker:
        linker = wc.Linker(engine().raw)
        linker.allow_shadowing = True
        if self._uses_wasi:
            linker.add_wasip2()
            self._replace(linker, waiting.Waiting, waiting.FUNCTIONS)
        if self._uses_http:
            from weft.wasm.component import http_out  # few components make requests

            linker.add_wasi_http()
            self._replace(linker, http_out.Outgoing, http_out.FUNCTIONS)
        for found in self.imports:
            if found.host is not None:
                self._provide(linker, found)
        return linker

    def _replace(self, linker: wc.Linker, host: type[HostPart], functions: Mapping[str, Sequence[str]]) -> None:
        """Functions of ours in place of wasmtime's."""
        for interface, names in functions.items():
            with linking.defined(linker, interface) as part:
                for name in names:
                    linking.define_function(part, name, len(self.slots))
                    self.slots.append(Slot(host, name, NO_PARAMETERS, None))

    def _provide(self, linker: wc.Linker, found: Import) -> None:
        assert found.host is not None
        with linking.defined(linker, found.name) as part:
            for name in found.resources:
                linking.define_resource(part, name, found.host.resources[name])
            for name, text in found.functions.items():
                linking.define_function(part, name, len(self.slots))
                self.slots.append(Slot(found.host, f"{name} {text}", NO_PARAMETERS, None))


class ComponentStore(Store):
    """A store that holds one instance of a component."""

    __slots__ = ("_exports", "_instance")

    def __init__(self, raw: wasmtime.Engine, memory: int, exports: dict[str, wc.ExportIndex], *, memories: int) -> None:
        """``memory`` is the most bytes of each of so many linear memories."""
        super().__init__(raw, memory, instances=INSTANCES, tables=TABLES, memories=memories)
        self._exports = exports
        self._instance: Any = None

    def set_http(self) -> None:
        """Give the guest what ``wasi:http`` keeps."""
        _bindings._wasmtime_context_set_wasi_http(self.context)

    def start(self, linker: wc.Linker, component: wc.Component) -> None:
        """Make the store's one instance. Raises wasmtime's own errors."""
        self._instance = library.instantiate(linker, self.context, component)

    def memory(self) -> None:
        """A component's memories are its own."""

    def function(self, name: str, signature: str) -> Any:
        """An exported function without parameters, ready to be called."""
        function = library.function_of(self._instance, self.context, self._exports[name])
        return ComponentCall(self.context, function, exits=name == "_start")


class ExitedWithError(wasmtime.ExitTrap):
    """A command that returned an error, which is what exit code 1 means."""

    def __init__(self) -> None:
        super().__init__("run returned an error")
        self.code = 1


class ComponentCall:
    """An exported function without parameters that returns a result."""

    __slots__ = ("_context", "_exits", "_function", "_space")

    def __init__(self, context: Any, function: Any, *, exits: bool) -> None:
        self._context = ctypes.cast(context, library.ADDRESS)
        self._function = function
        self._exits = exits
        self._space = ctypes.create_string_buffer(cvalues.SIZE)

    def __call__(self) -> Any:
        """(is_ok, value); for a command 0, or ExitedWithError. Raises wasmtime.WasmtimeError."""
        if error := library.call(ctypes.byref(self._function), self._context, None, 0, self._space, 1):
            library.raise_error(error)
        try:
            is_ok, value = cvalues.read(ctypes.addressof(self._space), None)
        finally:
            library.value_delete(self._space)
            ctypes.memset(self._space, 0, cvalues.SIZE)  # the next call frees what it finds here
        if not self._exits:
            return is_ok, value
        if not is_ok:
            raise ExitedWithError
        return 0
