"""What wasmtime calls: host functions, guest output and the look at the time. And how wasm types become C types.

wasmtime-py's own way into a guest and back costs 33 µs a call and 18 µs a host call, and it keeps a pending
exception in a module global, where another thread's call may pick it up. What stands here and in
:mod:`weft.wasm.store` costs a tenth of that and keeps everything on the calling thread. The price is a
dependency on private names of the bindings, which is why the package is pinned to an exact version.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import itertools
import struct
import threading
from collections.abc import Callable, MutableSequence
from typing import Any, Protocol
from weakref import WeakValueDictionary

import wasmtime
from wasmtime import _bindings

NO_FINALIZER = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))
# The bindings declare pointers to structures here, which cost a Python object each: an address is enough.
_HOST_CALL = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_LOOK = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_PRINT = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_STOPPED = b"stopped by the host"
_VALUE = 16
"""Bytes of one raw wasm value."""

_LAYOUTS = {"i32": "i12x", "i64": "q8x", "f32": "f12x", "f64": "d8x"}
_RESULTS = {"i32": ctypes.c_int32, "i64": ctypes.c_int64, "f32": ctypes.c_float, "f64": ctypes.c_double}

Number = int | float
HostCall = tuple[Callable[..., Number], struct.Struct, Any]
"""A host function, how its parameters lie in memory, and the C type of its result (None for none)."""


WASMTIME = "50.0.1"
"""The version this was written against and the package is pinned to; looking it up would cost 20 ms at each start."""


class Stop(Exception):
    """Raised by a host function to end the guest at once; the instance knows why."""


class Running(Protocol):
    """The instance that runs on this thread, as the callbacks below see it."""

    @property
    def slots(self) -> MutableSequence[HostCall | None]:
        """The host functions this instance has called, by slot number."""

    @property
    def starting(self) -> bool:
        """True while the module's start function runs: its memory is not known yet."""

    def bind(self, slot: int) -> HostCall:
        """The host function of a slot that is called for the first time."""

    def adopt(self, memory: MemoryHandle | None) -> None:
        """The memory of an instance that is starting."""

    def printed(self, stream: int, data: bytes) -> int | None:
        """Take standard output (1) or standard error (2); a negative errno tells the guest it failed."""

    def expired(self) -> bool:
        """True when the guest must end now."""

    def fault(self, error: BaseException) -> None:
        """Note what a host function let slip; it must not reach wasm."""


class _Current(threading.local):
    instance: Running | None = None


current = _Current()
printers: WeakValueDictionary[int, Running] = WeakValueDictionary()
"""Instances that may print, by number; a number is never used twice."""

_numbers = itertools.count(1)


def new_printer(instance: Running) -> int:
    """A number by which what a guest prints finds its instance, as long as that lives."""
    number = next(_numbers)
    printers[number] = instance
    return number


@functools.cache
def signature_layout(signature: str) -> tuple[struct.Struct, Any]:
    """Parameters and result of ``"(i32 i64) -> (i32)"`` as they lie in memory. ValueError for other types."""
    params, arrow, results = signature.partition(" -> ")
    result_names = results.strip("()").split()
    try:
        layout = struct.Struct("<" + "".join(_LAYOUTS[name] for name in params.strip("()").split()))
        result = _RESULTS[result_names[0]] if result_names else None
    except KeyError as error:
        raise ValueError(f"no plain number: {error.args[0]}") from None
    if not arrow or len(result_names) > 1:
        raise ValueError(f"no signature with at most one result: {signature}")
    return layout, result


class MemoryHandle:
    """Where a guest's linear memory lies and how large it is now. Not to be used once its store is closed."""

    __slots__ = ("_context", "_extern", "_memory")

    def __init__(self, context: Any, extern: Any) -> None:
        self._context = context
        self._extern = extern
        self._memory = ctypes.byref(extern.of.memory)

    def size(self) -> int:
        """Bytes."""
        return int(_bindings._wasmtime_memory_data_size(self._context, self._memory))

    def address(self) -> int:
        """The address of byte 0."""
        pointer = _bindings._wasmtime_memory_data(self._context, self._memory)
        return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def memory_of(extern: Any, context: Any) -> MemoryHandle | None:
    """A handle on an exported memory; None for an export of another kind."""
    return MemoryHandle(context, extern) if extern.kind == wasmtime._ffi.WASMTIME_EXTERN_MEMORY.value else None


@_HOST_CALL  # type: ignore[untyped-decorator]  # ctypes' function types carry no types
def _host_call(slot: int | None, caller: int, values: int, _count: int) -> int:
    instance = current.instance
    try:
        assert instance is not None
        function, layout, result = instance.slots[slot or 0] or instance.bind(slot or 0)
        if instance.starting:
            instance.adopt(_caller_memory(caller))
        value = function(*layout.unpack(ctypes.string_at(values, layout.size)))
        if result is not None:
            result.from_address(values).value = value
        return 0
    except BaseException as error:  # noqa: BLE001 - nothing may pass through wasm frames, whatever it is
        if instance is not None:
            instance.fault(error)
        return _address(_bindings._wasmtime_trap_new(_STOPPED, len(_STOPPED)))


@_LOOK  # type: ignore[untyped-decorator]  # as above
def _look(_context: int, _data: int, delta: int, kind: int) -> int:
    """The epoch moved: a guest whose time is up gets an error, the others go on until it moves again."""
    instance = current.instance
    if instance is None or instance.expired():
        return _address(_bindings._wasmtime_error_new(_STOPPED))
    ctypes.c_uint64.from_address(delta).value = 1
    ctypes.c_uint8.from_address(kind).value = 0
    return 0


@_PRINT  # type: ignore[untyped-decorator]  # as above
def _print(ticket: int, data: int, size: int) -> int:
    """wasmtime writes on a thread of its own, while the guest's waits: the ticket says whose words these are."""
    instance = printers.get(ticket >> 1)
    if instance is None:
        return -errno.EBADF
    try:
        failed = instance.printed(1 + (ticket & 1), ctypes.string_at(data, size))
    except BaseException as error:  # noqa: BLE001 - as above
        instance.fault(error)
        return -errno.EIO
    return size if failed is None else failed


def _as(function: Any, declared: Any) -> Any:
    return ctypes.cast(function, declared)


look = _as(_look, _bindings._wasmtime_store_epoch_deadline_callback.argtypes[1])
printed = _as(_print, _bindings._wasi_config_set_stdout_custom.argtypes[1])
_call = _as(_host_call, _bindings.wasmtime_func_unchecked_callback_t)


def define_slot(linker: wasmtime.Linker, module: str, name: str, ty: wasmtime.FuncType, slot: int) -> None:
    """Link ``module.name`` to slot number ``slot`` of whatever instance calls it."""
    module_name, function_name = module.encode(), name.encode()
    error = _bindings._wasmtime_linker_define_func_unchecked(
        linker.ptr(), module_name, len(module_name), function_name, len(function_name), ty.ptr(), _call, slot,
        NO_FINALIZER,
    )  # fmt: skip
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)


def _caller_memory(caller: int) -> MemoryHandle | None:
    pointer = ctypes.cast(caller, ctypes.POINTER(_bindings.wasmtime_caller_t))
    extern = _bindings.wasmtime_extern_t()
    if not _bindings._wasmtime_caller_export_get(pointer, b"memory", 6, ctypes.byref(extern)):
        return None
    return memory_of(extern, _bindings._wasmtime_caller_context(pointer))


def _address(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0
