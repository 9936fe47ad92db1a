"""Guest memory: bounds-checked views that copy nothing."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np

from weft.wasm.guard import Refusal
from weft.wasm.native import MemoryHandle

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_U32 = struct.Struct("<I")
_NOTHING: Bytes = np.empty(0, np.uint8)
_WRITABLE = 0x200  # PyBUF_WRITE
_memoryview = ctypes.pythonapi.PyMemoryView_FromMemory
_memoryview.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_memoryview.restype = ctypes.py_object
MAX_TEXT = 64 * 1024
"""Longest name, key or media type a guest may pass, in bytes."""


class GuestMemory:
    """The linear memory of one instance. Every access is checked against its size at that moment.

    Pointers and lengths are taken as the i32 that wasm passes and read as unsigned. Anything outside
    raises :class:`Refusal` ("outside"), which the guard turns into the host module's errno.
    """

    __slots__ = ("_handle", "_size", "_view")

    def __init__(self) -> None:
        self.attach(None)

    def attach(self, handle: MemoryHandle | None) -> None:
        """From here on this is the memory behind ``handle``, or none: the instance closed, or has no memory."""
        self._handle = handle
        self._size = 0
        self._view = _NOTHING

    @property
    def size(self) -> int:
        """Bytes of linear memory now."""
        return self._handle.size() if self._handle else 0

    def view(self, ptr: int, length: int) -> Bytes:
        """A writable u8 view of guest memory, valid until the guest runs again."""
        ptr &= 0xFFFFFFFF
        length &= 0xFFFFFFFF
        end = ptr + length
        if end > self._size:
            self._refresh()
            if end > self._size:
                raise Refusal("outside", f"{length} bytes at {ptr:#x} lie outside the guest's {self._size} bytes")
        return self._view[ptr:end]

    def read(self, ptr: int, length: int) -> bytes:
        """A copy of guest memory."""
        return self.view(ptr, length).tobytes()

    def text(self, ptr: int, length: int) -> str:
        """A copy as UTF-8 text of at most ``MAX_TEXT`` bytes."""
        if length & 0xFFFFFFFF > MAX_TEXT:
            raise Refusal("invalid", f"a text of {length & 0xFFFFFFFF} bytes is over the limit of {MAX_TEXT}")
        try:
            return self.read(ptr, length).decode()
        except UnicodeDecodeError:
            raise Refusal("invalid", "the text is not UTF-8") from None

    def write(self, ptr: int, data: bytes | memoryview | Bytes) -> None:
        """Copy ``data`` into guest memory."""
        source = np.frombuffer(data, np.uint8)
        self.view(ptr, source.size)[:] = source

    def write_u32(self, ptr: int, value: int) -> None:
        """Write one little-endian u32."""
        self.view(ptr, 4)[:] = np.frombuffer(_U32.pack(value & 0xFFFFFFFF), np.uint8)

    def unpack(self, layout: struct.Struct, ptr: int) -> tuple[Any, ...]:
        """Read one packed structure."""
        return layout.unpack(self.read(ptr, layout.size))

    def _refresh(self) -> None:
        """The guest may have grown its memory; with 4 GiB reserved it never moves, but look again anyway."""
        if self._handle is None:
            return
        self._size = self._handle.size()
        if self._size:
            self._view = np.frombuffer(_memoryview(self._handle.address(), self._size, _WRITABLE), np.uint8)
