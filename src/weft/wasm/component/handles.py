"""Handles: what the host holds for one instance, bounded in number and in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from weft.core.units import format_size
from weft.wasm.guard import Refusal
from weft.wasm.host.base import HostPart

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

Item = TypeVar("Item")


class Handles(HostPart):
    """A table of objects by number, for all resources of one instance. It is emptied with the instance.

    Attributes:
        held: bytes of what is in it.
    """

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._items: dict[int, tuple[object, int]] = {}
        self._next = 1
        self._limits = instance.settings.limits
        self.held = 0

    def __len__(self) -> int:
        return len(self._items)

    def room(self, nbytes: int = 0, *, count: int = 1) -> None:
        """Raise Refusal ("too_large") where so many more, of this size together, would go over a limit."""
        if len(self._items) + count > self._limits.handles:
            raise Refusal(
                "too_large",
                f"{len(self._items)} handles are open",
                "drop what is not needed, or raise limits.handles",
            )
        self.room_for_bytes(nbytes)

    def room_for_bytes(self, nbytes: int) -> None:
        """Raise Refusal ("too_large") where so many bytes more would go over the limit."""
        if self.held + nbytes > self._limits.memory:
            raise Refusal(
                "too_large",
                f"{format_size(self.held + nbytes)} held by the host; it counts against limits.memory like its own",
                "drop tensors that are not needed, or raise limits.memory (--memory)",
            )

    def add(self, item: object, nbytes: int = 0) -> int:
        """A number for an object of so many bytes. Raises Refusal over a limit."""
        self.room(nbytes)
        number, self._next = self._next, self._next + 1
        self._items[number] = (item, nbytes)
        self.held += nbytes
        return number

    def weigh(self, number: int, nbytes: int) -> None:
        """An object is of so many bytes from now on. Raises Refusal over a limit, and nothing changes."""
        item, before = self._items[number]
        self.room_for_bytes(nbytes - before)
        self._items[number] = (item, nbytes)
        self.held += nbytes - before

    def get(self, number: int, cls: type[Item]) -> Item:
        """The object behind a number that the guest has a handle of."""
        item = self._items[number][0]
        assert isinstance(item, cls)
        return item

    def take(self, number: int, cls: type[Item]) -> Item:
        """As :meth:`get`, for a handle that the guest gave away."""
        item = self.get(number, cls)
        self.drop(number)
        return item

    def drop(self, number: int) -> None:
        """Forget an object."""
        _, nbytes = self._items.pop(number, (None, 0))
        self.held -= nbytes

    def close(self) -> None:
        """Forget all."""
        self._items.clear()
        self.held = 0
