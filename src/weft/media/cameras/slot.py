"""Memory that a decoder writes one picture to and its owner reads it from. It has no name, and goes with the two."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence

MAX_BYTES = 512 * 2**20
"""The largest picture Weft reads has 64 Mpx; no pixel format that decoders make takes more than 8 bytes for one."""


class Slot:
    """A piece of shared memory that grows with the pictures, up to ``MAX_BYTES``, and never shrinks.

    That it cannot shrink is the kernel's word: reading it is safe, whatever the writer does.

    Args:
        descriptor: of memory another process made; without it, new memory.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _new() if descriptor is None else descriptor
        self._map: mmap.mmap | None = None

    def write(self, parts: Sequence[memoryview]) -> None:
        """Lay ``parts`` (of bytes) one behind the other. Raises ValueError where they are too much."""
        size = sum(part.nbytes for part in parts)
        if size > MAX_BYTES:
            raise ValueError(f"a picture of {size} bytes")
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)
        room, start = self._mapped(size, mmap.PROT_READ | mmap.PROT_WRITE), 0
        for part in parts:
            room[start : start + part.nbytes] = part
            start += part.nbytes

    def read(self, size: int) -> memoryview:
        """The first ``size`` bytes, without copying them: to be released before the next call.

        Raises ValueError where there are not so many.
        """
        if not 0 < size <= min(MAX_BYTES, os.fstat(self.descriptor).st_size):
            raise ValueError(f"a picture of {size} bytes in less memory")
        return memoryview(self._mapped(size, mmap.PROT_READ))[:size]

    def close(self) -> None:
        """Let go of the memory; the other process may still have it."""
        if self._map is not None:
            self._map.close()
            self._map = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _mapped(self, size: int, protection: int) -> mmap.mmap:
        if self._map is None or len(self._map) < size:
            if self._map is not None:
                self._map.close()
            self._map = mmap.mmap(self.descriptor, size, mmap.MAP_SHARED, protection)
        return self._map


def _new() -> int:
    descriptor = os.memfd_create("weft-camera", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return descriptor
