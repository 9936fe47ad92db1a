"""What wasmtime calls when a component calls the host, in the manner of :mod:`weft.wasm.native`.

wasmtime-py's own way keeps a pending exception in a module global, and a KeyboardInterrupt in it ends the
process; here nothing passes through wasm frames, whatever it is.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import wasmtime
from wasmtime import _bindings
from wasmtime import component as wc

from weft.wasm import native
from weft.wasm.component import library
from weft.wasm.component.handles import Handles

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

_CALL = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    library.ADDRESS,
    library.ADDRESS,
    library.ADDRESS,
    library.ADDRESS,
    ctypes.c_size_t,
    library.ADDRESS,
    ctypes.c_size_t,
)
_DROP = ctypes.CFUNCTYPE(ctypes.c_size_t, library.ADDRESS, library.ADDRESS, ctypes.c_uint32)
_STOPPED = b"stopped by the host"


class ForeignResourceError(Exception):
    """A resource that is not the host's, or not the store's."""


@_CALL  # type: ignore[untyped-decorator]  # ctypes' function types carry no types
def _called(slot: int | None, context: int, _type: int, args: int, count: int, results: int, _results: int) -> int:
    instance = native.current.instance
    try:
        assert instance is not None
        function, _, _ = instance.slots[slot or 0] or instance.bind(slot or 0)
        function(context, args, count, results)
        return 0
    except BaseException as error:  # noqa: BLE001 - nothing may pass through wasm frames, whatever it is
        if instance is not None:
            instance.fault(error)
        return int(library.error_new(_STOPPED))


@_DROP  # type: ignore[untyped-decorator]  # as above
def _dropped(_data: int, _context: int, number: int) -> int:
    """The guest dropped a handle it owned."""
    instance = cast("Instance | None", native.current.instance)
    try:
        assert instance is not None
        instance.host(Handles).drop(number)
        return 0
    except BaseException as error:  # noqa: BLE001 - as above
        if instance is not None:
            instance.fault(error)
        return int(library.error_new(_STOPPED))


_called_as = ctypes.cast(_called, _bindings.wasmtime_component_func_callback_t)
_dropped_as = ctypes.cast(_dropped, _bindings.wasmtime_component_resource_destructor_t)


@contextlib.contextmanager
def defined(linker: wc.Linker, interface: str) -> Iterator[wc.LinkerInstance]:
    """An interface of a linker, to define items in."""
    with linker.root() as root, root.add_instance(interface) as part:
        yield part


def define_function(part: wc.LinkerInstance, name: str, slot: int) -> None:
    """Link a function to slot number ``slot`` of whatever instance calls it."""
    encoded = name.encode()
    _check(
        _bindings._wasmtime_component_linker_instance_add_func(
            part.ptr(), encoded, len(encoded), _called_as, slot, native.NO_FINALIZER
        )
    )


def define_resource(part: wc.LinkerInstance, name: str, kind: int) -> None:
    """Link a resource type, whose handles are numbers in the calling instance's table."""
    encoded, ty = name.encode(), wc.ResourceType.host(kind)
    _check(
        _bindings._wasmtime_component_linker_instance_add_resource(
            part.ptr(), encoded, len(encoded), ty.ptr(), _dropped_as, None, native.NO_FINALIZER
        )
    )


def number_of(context: int, pointer: int) -> int:
    """The number behind a handle the guest passed. An own one is the host's from here on; a lent one is given back."""
    host = ctypes.c_size_t()
    _ok(library.any_to_host(context, pointer, ctypes.byref(host)))
    number = int(library.host_rep(host.value))
    library.host_delete(host.value)
    return number


def give_back(context: int, pointer: int) -> None:
    """End what the guest lent for a call."""
    _ok(library.any_drop(context, pointer))


def make_handle(context: int, address: int, kind: int, number: int) -> None:
    """Write a pointer to a new handle that the guest will own."""
    host = library.host_new(True, number, kind)
    try:
        _ok(library.host_to_any(context, host, address))
    finally:
        library.host_delete(host)


def _ok(error: int) -> None:
    if error:
        library.error_delete(error)
        raise ForeignResourceError("a handle that is not the host's")


def _check(error: Any) -> None:
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)
