"""Program: a function's module linked once, so that an instance of it costs microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wasmtime

from weft.core.errors import ModuleError, WeftError
from weft.core.limits import Grants, Limits
from weft.core.model import Model
from weft.core.suggest import did_you_mean
from weft.wasm import native
from weft.wasm.engine import engine
from weft.wasm.host import host_module, host_modules
from weft.wasm.services import Services
from weft.wasm.source import LoadedModule

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
    """One import of a host module, resolved: the class that implements it and the method's name."""

    host: type[HostModule]
    function: str


class Program:
    """A module linked against the host modules it imports.

    Raises ModuleError, naming the import, when the host has no such function or one of another type.
    """

    def __init__(self, module: LoadedModule, settings: Settings) -> None:
        self.module = module
        self.settings = settings
        self.slots: list[Slot] = []
        linker = wasmtime.Linker(engine().raw)
        for imported in module.raw.imports:
            self._link(linker, imported)
        linker.define_wasi()
        self.exports = {export.name: export.type for export in module.raw.exports}
        self._pre = self._prepare(linker)

    def instantiate(self, store: wasmtime.Store) -> wasmtime.Instance:
        """A new instance in ``store``; wasmtime's own errors."""
        return self._pre.instantiate(store)

    def preopen(self, config: wasmtime.WasiConfig) -> None:
        """Open the granted directories. Raises NotFoundError for one that is not there."""
        for grant in self.settings.grants.dirs:
            open_dir(config, grant.host, grant.guest, writable=grant.writable)

    def _link(self, linker: wasmtime.Linker, imported: Any) -> None:
        if imported.module == WASI:
            return
        host = host_module(imported.module)
        name = imported.name or ""
        if host is None or name not in host.signatures():
            raise unknown_import(self.module, imported.module, name)
        if not isinstance(imported.type, wasmtime.FuncType) or _signature(imported.type) != host.signatures()[name]:
            raise ModuleError(
                f"imports {imported.module}.{name} as {_signature_text(imported.type)}, "
                f"but it is {host.signatures()[name]}",
                where=str(self.module.path),
                cure="build it against the current header",
            )
        native.define_slot(linker, imported.module, name, imported.type, len(self.slots))
        self.slots.append(Slot(host, name))

    def _prepare(self, linker: wasmtime.Linker) -> wasmtime.InstancePre:
        try:
            return linker.instantiate_pre(self.module.raw)
        except wasmtime.WasmtimeError as error:
            missing = next(
                (i for i in self.module.raw.imports if i.module == WASI and i.name and i.name in str(error)), None
            )
            if missing is not None:
                raise unknown_import(self.module, WASI, missing.name or "") from error
            raise ModuleError(f"cannot be linked: {error}", where=str(self.module.path)) from error


def open_dir(config: wasmtime.WasiConfig, host: Path, guest: str, *, writable: bool) -> None:
    """Let a guest see a directory. Raises NotFoundError when it is not there."""
    from weft.core.errors import NotFoundError

    try:
        config.preopen_dir(str(host), guest, writable)
    except wasmtime.WasmtimeError:
        raise NotFoundError(
            "the granted directory cannot be opened", where=str(host), cure="create it, or change the grant"
        ) from None


def unknown_import(module: LoadedModule, namespace: str, name: str) -> WeftError:
    """The error for an import nobody provides, with the nearest one somebody does."""
    known = {f"{host.name}.{function}" for host in host_modules().values() for function in host.signatures()}
    if namespace in host_modules():
        known = {full for full in known if full.startswith(f"{namespace}.")}
    cure = did_you_mean(f"{namespace}.{name}", sorted(known))
    offered = ", ".join(sorted({WASI, *host_modules()}))
    return ModuleError(
        f"imports {namespace}.{name}, which no host module provides",
        where=str(module.path),
        cure=cure or f"Weft provides {offered}",
    )


def _signature(ty: wasmtime.FuncType) -> str:
    return f"({' '.join(map(str, ty.params))}) -> ({' '.join(map(str, ty.results))})"


def _signature_text(ty: object) -> str:
    return _signature(ty) if isinstance(ty, wasmtime.FuncType) else "something that is no function"
