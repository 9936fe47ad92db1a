"""wasmtime's C functions for components, taking plain addresses: the bindings' own want a Python object for each."""

from __future__ import annotations

import ctypes
from typing import Any, NoReturn

import wasmtime
from wasmtime import _bindings, _ffi
from wasmtime import component as wc

ADDRESS = ctypes.c_void_p
SIZE = ctypes.c_size_t
_U32 = ctypes.c_uint32


def _foreign(name: str, *arguments: Any, result: Any = None) -> Any:
    function = _ffi.dll[name]
    function.argtypes, function.restype = arguments, result
    return function


bytes_new = _foreign("wasm_byte_vec_new", ADDRESS, SIZE, ctypes.c_char_p)
list_new = _foreign("wasmtime_component_vallist_new_uninit", ADDRESS, SIZE)
tuple_new = _foreign("wasmtime_component_valtuple_new_uninit", ADDRESS, SIZE)
record_new = _foreign("wasmtime_component_valrecord_new_uninit", ADDRESS, SIZE)
value_new = _foreign("wasmtime_component_val_new", ADDRESS, result=SIZE)
value_clone = _foreign("wasmtime_component_val_clone", ADDRESS, ADDRESS)
value_delete = _foreign("wasmtime_component_val_delete", ADDRESS)
call = _foreign("wasmtime_component_func_call", ADDRESS, ADDRESS, ADDRESS, SIZE, ADDRESS, SIZE, result=SIZE)
error_new = _foreign("wasmtime_error_new", ctypes.c_char_p, result=SIZE)
error_delete = _foreign("wasmtime_error_delete", ADDRESS)
any_to_host = _foreign("wasmtime_component_resource_any_to_host", ADDRESS, ADDRESS, ADDRESS, result=SIZE)
any_drop = _foreign("wasmtime_component_resource_any_drop", ADDRESS, ADDRESS, result=SIZE)
host_new = _foreign("wasmtime_component_resource_host_new", ctypes.c_bool, _U32, _U32, result=SIZE)
host_rep = _foreign("wasmtime_component_resource_host_rep", ADDRESS, result=_U32)
host_delete = _foreign("wasmtime_component_resource_host_delete", ADDRESS)
host_to_any = _foreign("wasmtime_component_resource_host_to_any", ADDRESS, ADDRESS, ADDRESS, result=SIZE)


def raise_error(address: int) -> NoReturn:
    """Raise the error at an address, which is its own from here on: wasmtime.WasmtimeError or ExitTrap."""
    raise wasmtime.WasmtimeError._from_ptr(ctypes.cast(address, ctypes.POINTER(_bindings.wasmtime_error_t)))


def instantiate(linker: wc.Linker, store: Any, component: wc.Component) -> Any:
    """An instance of a component in a store. Raises wasmtime.WasmtimeError or ExitTrap."""
    instance = _bindings.wasmtime_component_instance_t()
    error = _bindings._wasmtime_component_linker_instantiate(
        linker.ptr(), store, component.ptr(), ctypes.byref(instance)
    )
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)
    return instance


def function_of(instance: Any, store: Any, index: wc.ExportIndex) -> Any:
    """A function that an instance exports, which must be there."""
    function = _bindings.wasmtime_component_func_t()
    found = _bindings._wasmtime_component_instance_get_func(
        ctypes.byref(instance), store, index.ptr(), ctypes.byref(function)
    )
    assert found
    return function
