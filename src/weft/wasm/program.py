"""Program: a function's module linked once, so that an instance of it costs microseconds."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import wasmtime

from weft.core.errors import ModuleError, WeftError
from weft.core.files import readable_name
from weft.core.limits import Grants, Limits
from weft.core.model import Model
from weft.wasm import native
from weft.wasm.engine import engine
from weft.wasm.host import host_module
from weft.wasm.services import Services
from weft.wasm.source import LoadedModule
from weft.wasm.store import Store, World
from weft.wasm.unknown import cure_for_import

if TYPE_CHECKING:
    from weft.wasm.host.base import HostModule

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
    """

    name: str
    services: Services
    models: Mapping[str, Model] = field(default_factory=dict)
    grants: Grants = field(default_factory=Grants)
    limits: Limits = field(default_factory=Limits)
    config: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """One import of a host module, resolved: the class that implements it, its function's name and C types."""

    host: type[HostModule]
    function: str
    layout: struct.Struct
    result: Any


class Program:
    """A module linked against the host modules it imports.

    Raises ModuleError, naming the import, when the host has no such function or one of another type, and
    UsageError for arguments or environment that C strings cannot hold.
    """

    def __init__(self, module: LoadedModule, settings: Settings) -> None:
        self.module = module
        self.settings = settings
        self.slots: list[Slot] = []
        self.functions = {
            export.name: signature_of(export.type)
            for export in module.raw.exports
            if isinstance(export.type, wasmtime.FuncType)
        }
        self._world = World([readable_name(module.path), *settings.args], settings.grants)
        self._uses_wasi = any(imported.module == WASI for imported in module.raw.imports)
        self._pre = self._link()

    def store(self, stdin: bytes | str | None, instance: native.Running) -> Store:
        """An empty store with this function's limits and world; ``stdin`` as :meth:`World.config` takes it."""
        store = Store(engine().raw, self.settings.limits.memory)
        if self._uses_wasi:
            store.set_wasi(self._world, stdin, native.new_printer(instance))
        return store

    def instantiate(self, store: Store) -> None:
        """A new instance in ``store``. Raises wasmtime's own errors."""
        store.instantiate(self._pre)

    def _link(self) -> wasmtime.InstancePre:
        linker = wasmtime.Linker(engine().raw)
        linker.define_wasi()
        linker.allow_shadowing = True
        for imported in self.module.raw.imports:
            self._define(linker, imported)
        try:
            return linker.instantiate_pre(self.module.raw)
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
        named = next((name for i in self.module.raw.imports if (name := i.name) and f"{WASI}::{name}`" in text), "")
        if not named:
            return ModuleError(f"cannot be linked: {text.strip()}", where=str(self.module.path))
        if "incompatible" in text:
            return ModuleError(
                f"imports {WASI}.{named} with another type than WASI's",
                where=str(self.module.path),
                cure="build it against wasi-libc, or another current WASI preview 1 library",
            )
        return unknown_import(self.module, WASI, named)


def unknown_import(module: LoadedModule, namespace: str, name: str) -> WeftError:
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


def _wrong_type(module: LoadedModule, name: str, seen: str, wanted: str) -> ModuleError:
    return ModuleError(
        f"imports {name} as {seen}, but it is {wanted}",
        where=str(module.path),
        cure="build it against the current header",
    )
