"""A guest's store: made and entered with as few calls as wasmtime allows, so that one per frame is affordable."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wasmtime
from wasmtime import _bindings

from weft.core.errors import NotFoundError, UsageError
from weft.core.limits import DirGrant, Grants
from weft.wasm import native
from weft.wasm.native import MemoryHandle, Number

TABLE_ELEMENTS = 1_000_000
TABLES = 4


class Store:
    """One guest's memory, tables and WASI state. Closing it frees all of it at once."""

    __slots__ = ("_ptr", "_wasm", "context")

    def __init__(
        self, engine: wasmtime.Engine, memory: int, *, instances: int = 1, tables: int = TABLES, memories: int = 1
    ) -> None:
        """``memory`` is the most bytes of each linear memory; the rest is how many of each there may be."""
        self._ptr = _bindings._wasmtime_store_new(engine.ptr(), None, native.NO_FINALIZER)
        self.context = _bindings._wasmtime_store_context(self._ptr)
        self._wasm: Any = None
        _bindings._wasmtime_store_limiter(self._ptr, memory, TABLE_ELEMENTS, instances, tables, memories)
        _bindings._wasmtime_store_epoch_deadline_callback(self._ptr, native.look, None, native.NO_FINALIZER)
        _bindings._wasmtime_context_set_epoch_deadline(self.context, 1)

    def set_wasi(self, world: World, stdin: bytes | str | None, printer: int) -> None:
        """Give the guest its arguments, environment, directories, input and output; see :meth:`World.config`."""
        error = _bindings._wasmtime_context_set_wasi(self.context, world.config(stdin, printer))
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)

    def instantiate(self, program: wasmtime.InstancePre) -> None:
        """Make the store's one instance; the module's start function runs. Raises Trap or WasmtimeError."""
        instance = _bindings.wasmtime_instance_t()
        trap = ctypes.POINTER(_bindings.wasm_trap_t)()
        error = _bindings._wasmtime_instance_pre_instantiate(
            program.ptr(), self.context, ctypes.byref(instance), ctypes.byref(trap)
        )
        _raise(error, trap)
        self._wasm = instance

    def memory(self) -> MemoryHandle | None:
        """The exported ``memory``, if there is one."""
        extern = self._export("memory")
        return native.memory_of(extern, self.context) if extern is not None else None

    def function(self, name: str, signature: str) -> GuestCall:
        """An exported function, which must be there and of this type: calls are not checked again."""
        return GuestCall(self.context, self._export(name), signature)

    def close(self, _delete: Any = _bindings._wasmtime_store_delete) -> None:  # at exit, globals go before stores
        """Free the guest. Handles on it must not be used any more."""
        pointer, self._ptr = self._ptr, None
        if pointer:
            _delete(pointer)

    __del__ = close

    def _export(self, name: str) -> Any:
        extern, encoded = _bindings.wasmtime_extern_t(), name.encode()
        found = _bindings._wasmtime_instance_export_get(
            self.context, ctypes.byref(self._wasm), encoded, len(encoded), ctypes.byref(extern)
        )
        return extern if found else None


class GuestCall:
    """A guest function with at most one result, ready to be called with plain numbers."""

    __slots__ = ("_context", "_count", "_extern", "_func", "_layout", "_result", "_values")

    def __init__(self, context: Any, extern: Any, signature: str) -> None:
        self._context = context
        self._extern = extern
        self._func = ctypes.byref(extern.of.func)
        self._layout, result = native.signature_layout(signature)
        self._count = max(self._layout.size // ctypes.sizeof(_bindings.wasmtime_val_raw_t), 1)
        self._values = (_bindings.wasmtime_val_raw_t * self._count)()
        self._result = result.from_buffer(self._values) if result else None

    def __call__(self, *args: Number) -> Number:
        """The result, or 0 for a function without one; raises wasmtime.Trap or WasmtimeError."""
        if args:
            self._layout.pack_into(self._values, 0, *args)
        trap = ctypes.POINTER(_bindings.wasm_trap_t)()
        error = _bindings._wasmtime_func_call_unchecked(
            self._context, self._func, self._values, self._count, ctypes.byref(trap)
        )
        _raise(error, trap)
        return self._result.value if self._result is not None else 0


@dataclass(frozen=True, slots=True)
class _Words:
    """C strings, made once."""

    count: int
    pointer: Any
    keep: Any

    @classmethod
    def of(cls, words: Sequence[str]) -> _Words:
        array = (ctypes.c_char_p * len(words))(*map(c_text, words))
        return cls(len(words), ctypes.cast(array, ctypes.POINTER(ctypes.POINTER(ctypes.c_char))), array)


class World:
    """What a guest sees of the world through WASI: prepared once per function. Raises UsageError."""

    def __init__(self, args: Sequence[str], grants: Grants, shares: Sequence[DirGrant] = ()) -> None:
        self._args = _Words.of(args)
        self._names = _Words.of(list(grants.env))
        self._values = _Words.of(list(grants.env.values()))
        self._dirs = [(grant, c_text(str(grant.host)), c_text(grant.guest)) for grant in (*shares, *grants.dirs)]

    def config(self, stdin: bytes | str | None, printer: int) -> Any:
        """WASI for one instance. ``stdin`` is bytes, the path of a pipe, or None for the process's own.

        ``printer`` is the instance's number, from :func:`weft.wasm.native.new_printer`.

        Raises NotFoundError when a granted directory is not there.
        """
        config = _bindings._wasi_config_new()
        try:
            self._fill(config, stdin, printer)
        except BaseException:
            _bindings._wasi_config_delete(config)
            raise
        return config

    def _fill(self, config: Any, stdin: bytes | str | None, printer: int) -> None:
        for grant, host, guest in self._dirs:
            if not _bindings._wasi_config_preopen_dir(config, host, guest, grant.writable):
                raise _no_dir(grant)
        _bindings._wasi_config_set_argv(config, self._args.count, self._args.pointer)
        if self._names.count:
            _bindings._wasi_config_set_env(config, self._names.count, self._names.pointer, self._values.pointer)
        _set_stdin(config, stdin)
        _bindings._wasi_config_set_stdout_custom(config, native.printed, printer << 1, native.NO_FINALIZER)
        _bindings._wasi_config_set_stderr_custom(config, native.printed, printer << 1 | 1, native.NO_FINALIZER)


def c_text(text: str) -> bytes:
    """A text as C takes it; UsageError for one that would arrive cut or changed."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} is no UTF-8", cure="guests take UTF-8 only") from None
    if b"\0" in data:
        raise UsageError(f"{text!r} contains a zero byte", cure="remove it")
    return data


def _set_stdin(config: Any, stdin: bytes | str | None) -> None:
    if stdin is None:
        _bindings._wasi_config_inherit_stdin(config)
    elif isinstance(stdin, str):
        if not _bindings._wasi_config_set_stdin_file(config, stdin.encode()):
            raise NotFoundError("the guest's input cannot be opened", where=stdin)
    elif stdin:  # without any, input ends at once
        vector = _bindings.wasm_byte_vec_t()
        start = ctypes.cast(ctypes.c_char_p(stdin), ctypes.POINTER(ctypes.c_ubyte))
        _bindings._wasm_byte_vec_new(ctypes.byref(vector), len(stdin), start)
        _bindings._wasi_config_set_stdin_bytes(config, ctypes.byref(vector))


def _no_dir(grant: DirGrant) -> NotFoundError:
    return NotFoundError(
        "the granted directory cannot be opened", where=str(grant.host), cure="create it, or change the grant"
    )


def _raise(error: Any, trap: Any) -> None:
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)
    if trap:
        raise wasmtime.Trap._from_ptr(trap)
