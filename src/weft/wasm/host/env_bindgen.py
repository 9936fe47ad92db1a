"""How older functions of wasmedge-bindgen give their results: by calling the host, in two forms.

``env`` is the older one: ``return_result`` gets the bytes. ``wasmedge-bindgen`` came after it: ``return_result`` gets
records of pointer, type and bytes. The ABI ``bindgen`` picks up what was given.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

from weft.core.errors import GuestTrap, OutputLimitError
from weft.core.units import format_size
from weft.wasm.guard import KINDS, Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.memory import GuestMemory

if TYPE_CHECKING:
    from weft.wasm.instance import Instance
    from weft.wasm.program import Settings

BYTES, TEXT = 21, 31
"""wasmedge-bindgen's numbers of the types that matter most."""

RECORD = struct.Struct("<III")
"""pointer, type, bytes"""

_LARGEST_NUMBER = 12

Value = tuple[int, bytes]
"""A type number and the bytes of the value."""


class _Returned(HostModule):
    """What the function returned for this frame.

    Attributes:
        values: its results, in order.
        error: its error, None where it returned well or not at all.
        kept: pointers and sizes of results that are the host's to free.
    """

    grant = "always there"
    errno: ClassVar[dict[Kind, int]] = dict.fromkeys(KINDS, 0)

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.begin()

    def begin(self) -> None:
        """A new frame, no result yet."""
        self.values: list[Value] = []
        self.error: str | None = None
        self.kept: list[tuple[int, int]] = []

    def take_error(self, ptr: int, length: int) -> None:
        """The function failed. A bad pointer ends the guest."""
        try:
            self.error = self.memory.read(ptr, length).decode(errors="replace")
        except Refusal as refusal:
            self.end(GuestTrap(f"return_error: {refusal.reason}", where=self.instance.settings.name))


class BytesReturned(_Returned):
    """The older form."""

    name = "env"

    @exported("(i32 i32) -> ()")
    def return_result(self, ptr: int, length: int) -> None:
        """The function's result. A bad pointer ends the guest."""
        try:
            self.values = [(BYTES, self.memory.read(ptr, length))]
        except Refusal as refusal:
            self.end(GuestTrap(f"return_result: {refusal.reason}", where=self.instance.settings.name))

    @exported("(i32 i32) -> ()")
    def return_error(self, ptr: int, length: int) -> None:
        """The function's error."""
        self.take_error(ptr, length)


class RecordsReturned(_Returned):
    """The form after it."""

    name = "wasmedge-bindgen"

    @exported("(i32 i32) -> ()")
    def return_result(self, ptr: int, count: int) -> None:
        """The function's results. A bad pointer ends the guest."""
        try:
            records = read_records(self.memory, ptr, count, self.instance.settings)
            self.values = [(kind, self.memory.read(at, size)) for at, kind, size in records]
        except Refusal as refusal:
            self.end(GuestTrap(f"return_result: {refusal.reason}", where=self.instance.settings.name))
        except OutputLimitError as error:
            self.end(error)
        self.kept = [(at, size) for at, kind, size in records if kind > _LARGEST_NUMBER]  # numbers lie on the stack

    @exported("(i32 i32) -> ()")
    def return_error(self, ptr: int, length: int) -> None:
        """The function's error."""
        self.take_error(ptr, length)


def read_records(memory: GuestMemory, ptr: int, count: int, settings: Settings) -> list[tuple[int, int, int]]:
    """Pointer, type and size of each result. Raises Refusal, and OutputLimitError for more than may be emitted."""
    limits = settings.limits
    if not 0 <= count <= limits.emits:
        raise Refusal("invalid", f"{count} results; at most {limits.emits}")
    records = list(RECORD.iter_unpack(memory.read(ptr, count * RECORD.size)))
    size = sum(size for _, _, size in records)  # results may overlap, and be more than its memory
    if size > limits.output:
        what = f"emitted {format_size(size)} for one frame, and may {format_size(limits.output)}"
        raise OutputLimitError(what, where=settings.name, cure="raise limits.output")
    return records
