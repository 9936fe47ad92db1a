"""All that touches wasmtime's unstable bindings, in one room.

wasmtime-py's own way into a guest and back costs 33 µs a call and 18 µs a host call, and it keeps a pending
exception in a module global, where another thread's call may pick it up. What stands here costs 8 µs and
3 µs and keeps everything on the calling thread. The price is a dependency on private names of the bindings,
which is why the package is pinned to an exact version.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import wasmtime
from wasmtime import _bindings, _ffi

_FIELDS = ("i32", "i64", "f32", "f64")
_NO_FINALIZER = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))
_STOP = b"stopped by the host"


class Stop(Exception):
    """Raised by a host function to end the guest at once; the instance knows why."""


class Running(Protocol):
    """The instance that runs on this thread, as the callbacks below see it."""

    @property
    def slots(self) -> Sequence[Callable[..., int]]:
        """The host functions this instance may call, by slot number."""

    def expired(self) -> bool:
        """True when the guest must end now."""

    def check_ticks(self) -> int:
        """Epoch ticks until the next look at :meth:`expired`."""

    def fault(self, error: BaseException) -> None:
        """Note what a host function let slip; it must not reach wasm."""


class _Current(threading.local):
    instance: Running | None = None


current = _Current()


@_ffi.wasmtime_func_callback_t  # type: ignore[untyped-decorator]
def _trampoline(slot: int | None, _caller: Any, params: Any, count: int, results: Any, result_count: int) -> int:
    instance = current.instance
    try:
        assert instance is not None
        values = [getattr(params[i].of, _FIELDS[params[i].kind]) for i in range(count)]
        result = instance.slots[slot or 0](*values)
        if result_count:
            setattr(results[0].of, _FIELDS[results[0].kind], result)
        return 0
    except BaseException as error:  # noqa: BLE001 - nothing may pass through wasm frames, whatever it is
        if instance is not None:
            instance.fault(error)
        return _new_trap()


@_bindings._wasmtime_store_epoch_deadline_callback.argtypes[1]  # type: ignore[untyped-decorator]
def _on_deadline(_context: Any, _data: Any, delta: Any, kind: Any) -> int | None:
    instance = current.instance
    if instance is None or instance.expired():
        return ctypes.cast(_ffi.wasmtime_error_new(_STOP), ctypes.c_void_p).value
    delta[0] = instance.check_ticks()
    kind[0] = 0
    return 0


def _new_trap() -> int:
    trap = _ffi.wasmtime_trap_new(ctypes.create_string_buffer(_STOP), len(_STOP))
    return ctypes.cast(trap, ctypes.c_void_p).value or 0


def define_slot(linker: wasmtime.Linker, module: str, name: str, ty: wasmtime.FuncType, slot: int) -> None:
    """Link ``module.name`` to slot number ``slot`` of whatever instance calls it."""
    module_bytes, name_bytes = module.encode(), name.encode()
    error = _ffi.wasmtime_linker_define_func(
        linker.ptr(),
        ctypes.create_string_buffer(module_bytes),
        len(module_bytes),
        ctypes.create_string_buffer(name_bytes),
        len(name_bytes),
        ty.ptr(),
        _trampoline,
        slot,
        _NO_FINALIZER,
    )
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)


def watch_deadline(store: wasmtime.Store) -> None:
    """Ask the running instance, on its own thread, whether to go on each time its ticks are used up."""
    _ffi.wasmtime_store_epoch_deadline_callback(store.ptr(), _on_deadline, None, _NO_FINALIZER)


def set_stdin(config: wasmtime.WasiConfig, data: bytes) -> None:
    """Give a guest ``data`` as its standard input."""
    vector = _ffi.wasm_byte_vec_t()
    _ffi.wasm_byte_vec_new(ctypes.byref(vector), len(data), (ctypes.c_ubyte * len(data)).from_buffer_copy(data))
    _ffi.wasi_config_set_stdin_bytes(config.ptr(), ctypes.byref(vector))


class GuestCall:
    """A guest function without parameters and with at most one i32 result, ready to be called."""

    __slots__ = ("_context", "_func", "_params", "_results", "_trap", "_trap_ref", "_values")

    def __init__(self, store: wasmtime.Store, func: wasmtime.Func, results: int) -> None:
        self._context = store._context()
        self._func = ctypes.byref(func._func)
        self._params = (_ffi.wasmtime_val_t * 0)()
        self._results = results
        self._values = (_ffi.wasmtime_val_t * results)()
        self._trap = ctypes.POINTER(_ffi.wasm_trap_t)()
        self._trap_ref = ctypes.byref(self._trap)

    def __call__(self) -> int:
        """The result, or 0 for a function without one; raises wasmtime.Trap or WasmtimeError."""
        error = _ffi.wasmtime_func_call(
            self._context, self._func, self._params, 0, self._values, self._results, self._trap_ref
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        if self._trap:
            trap, self._trap = self._trap, ctypes.POINTER(_ffi.wasm_trap_t)()
            self._trap_ref = ctypes.byref(self._trap)
            raise wasmtime.Trap._from_ptr(trap)
        return int(self._values[0].of.i32) if self._results else 0


class MemoryHandle:
    """Where a guest's linear memory lies and how large it is now."""

    __slots__ = ("_context", "_memory")

    def __init__(self, store: wasmtime.Store, memory: wasmtime.Memory) -> None:
        self._context = store._context()
        self._memory = ctypes.byref(memory._memory)

    def size(self) -> int:
        """Bytes."""
        return int(_ffi.wasmtime_memory_data_size(self._context, self._memory))

    def address(self) -> int:
        """The address of byte 0."""
        pointer = _ffi.wasmtime_memory_data(self._context, self._memory)
        return ctypes.cast(pointer, ctypes.c_void_p).value or 0
