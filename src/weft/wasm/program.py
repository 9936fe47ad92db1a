"""Program: a function's module linked once, so that an instance of it costs microseconds."""

from __future__ import annotations

import copy
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import wasmtime

from weft.core.errors import ModuleError, WeftError
from weft.core.files import readable_name
from weft.core.limits import DirGrant, Grants, Limits
from weft.core.model import Model
from weft.wasm import native
from weft.wasm.engine import engine
from weft.wasm.host import host_module
from weft.wasm.http.counters import HttpCounters
from weft.wasm.services import Services
from weft.wasm.source import Loaded, LoadedModule
from weft.wasm.store import Store, World
from weft.wasm.switch import Switch
from weft.wasm.unknown import cure_for_import

if TYPE_CHECKING:
    from weft.wasm.host.base import HostPart
    from weft.wasm.state import StateStore
    from weft.wasm.trace import HostTrace

WASI = "wasi_snapshot_preview1"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that surrounds a function's code: what it may use, how much, and what it is told.

    Attributes:
        name: the function's name in errors and logs.
        models: the granted models by the names the guest loads them by.
        grants: directories, environment and capabilities.
        limits: memory, time and the rest.
        config: what ``config_get`` answers.
        args: arguments of a command, after its name.
        outputs: streams it may emit to, the first being the default; empty for any.
        services: pictures and models.
        state: where its state is kept; None where none was granted.
        trace: where each call of the host is told; None where none is.
        files: name and text of the function's files, its own first, where a language's interpreter runs them.
        compiled: what the first instance made of the files, for the others; empty before.
        shares: directories that its runtime needs, such as a language's standard library; no grants of the user's.
    """

    name: str
    services: Services
    models: Mapping[str, Model] = field(default_factory=dict)
    grants: Grants = field(default_factory=Grants)
    limits: Limits = field(default_factory=Limits)
    config: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    state: StateStore | None = None
    trace: HostTrace | None = None
    files: tuple[tuple[str, str], ...] = ()
    compiled: list[str] = field(default_factory=list)
    shares: tuple[DirGrant, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """One import of a host module, resolved: the class that implements it, its function's name and C types."""

    host: type[HostPart]
    function: str
    layout: struct.Struct
    result: Any


NO_PARAMETERS = struct.Struct("")


class Program:
    """A module linked against the host modules it imports.

    Raises ModuleError, naming the import, when the host has no such function or one of another type, and
    UsageError for arguments or environment that C strings cannot hold.

    Attributes:
        http: what became of its HTTP requests.
    """

    def __init__(self, module: LoadedModule, settings: Settings) -> None:
        self.module: Loaded = module
        self._raw = module.raw
        self.settings = settings
        self.http = HttpCounters()
        self.slots: list[Slot] = []
        self.switch = Switch()
        self.functions = {
            export.name: signature_of(export.type)
            for export in module.raw.exports
            if isinstance(export.type, wasmtime.FuncType)
        }
        self._world = World([readable_name(module.path), *settings.args], settings.grants, settings.shares)
        self._uses_wasi = any(imported.module == WASI for imported in module.raw.imports)
        self._pre = self._link()

    def store(self, stdin: bytes | str | None, instance: native.Running) -> Store:
        """An empty store with this function's limits and world; ``stdin`` as :meth:`World.config` takes it."""
        store = Store(engine().raw, self.settings.limits.memory)
        if self._uses_wasi:
            store.set_wasi(self._world, stdin, native.new_printer(instance))
        return store

    @property
    def interfaces(self) -> frozenset[str]:
        """The modules or interfaces it imports."""
        return frozenset(imported.module for imported in self._raw.imports)

    def with_own_switch(self) -> Program:
        """The same program for one handler, which can then be stopped and counted without the others."""
        own = copy.copy(self)
        own.switch, own.http = Switch(), HttpCounters()
        return own

    def instantiate(self, store: Store) -> None:
        """A new instance in ``store``. Raises wasmtime's own errors."""
        store.instantiate(self._pre)

    def _link(self) -> wasmtime.InstancePre:
        linker = wasmtime.Linker(engine().raw)
        linker.define_wasi()
        linker.allow_shadowing = True
        for imported in self._raw.imports:
            self._define(linker, imported)
        try:
            return linker.instantiate_pre(self._raw)
        except wasmtime.WasmtimeError as error:
            raise self._link_error(error) from error

    def _define(self, linker: wasmtime.Linker, imported: Any) -> None:
        name = imported.name or ""
        host = host_module(imported.module, name)
        if imported.module == WASI and host is None:
            return  # wasmtime's own
        if host is None:
            raise unknown_import(self.module, imported.module, name)
        wanted = host.signatures()[name]
        if signature_of(imported.type) != wanted:
            raise _wrong_type(self.module, f"{imported.module}.{name}", signature_of(imported.type), wanted)
        native.define_slot(linker, imported.module, name, imported.type, len(self.slots))
        self.slots.append(Slot(host, name, *native.signature_layout(wanted)))

    def _link_error(self, error: wasmtime.WasmtimeError) -> WeftError:
        """The import that wasmtime's own WASI does not have, or has with another type."""
        text = str(error)
        named = next((name for i in self._raw.imports if (name := i.name) and f"{WASI}::{name}`" in text), "")
        if not named:
            return ModuleError(f"cannot be linked: {text.strip()}", where=str(self.module.path))
        if "incompatible" in text:
            return ModuleError(
                f"imports {WASI}.{named} with another type than WASI's",
                where=str(self.module.path),
                cure="build it against wasi-libc, or another current WASI preview 1 library",
            )
        return unknown_import(self.module, WASI, named)


def unknown_import(module: Loaded, namespace: str, name: str) -> WeftError:
    """The error for an import nobody provides, with the nearest one somebody does."""
    return ModuleError(
        f"imports {namespace}.{name}, which no host module provides",
        where=str(module.path),
        cure=cure_for_import(namespace, name),
    )


def signature_of(ty: object) -> str:
    """A wasm type in words: ``(i32 i64) -> (i32)``, or what it is instead of a function."""
    if isinstance(ty, wasmtime.FuncType):
        return f"({' '.join(map(str, ty.params))}) -> ({' '.join(map(str, ty.results))})"
    return {"MemoryType": "memory", "GlobalType": "global", "TableType": "table"}.get(type(ty).__name__, "other")


def _wrong_type(module: Loaded, name: str, seen: str, wanted: str) -> ModuleError:
    return ModuleError(
        f"imports {name} as {seen}, but it is {wanted}",
        where=str(module.path),
        cure="build it against the current header",
    )
