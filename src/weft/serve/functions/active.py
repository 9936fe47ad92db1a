"""How many calls are under way, and when the last has ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType


class Active:
    """Counts the blocks that are inside. For the event loop's thread only."""

    def __init__(self) -> None:
        self._inside = 0
        self._empty: asyncio.Event | None = None

    def __enter__(self) -> None:
        self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
        if self._empty is not None and not self._inside:
            self._empty.set()

    async def ended(self, within_s: float) -> None:
        """Wait until none is inside, or for ``within_s`` seconds."""
        self._empty = asyncio.Event()
        if self._inside:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), within_s)
