"""Loaded models, shared in the process.

Whoever holds a model keeps it; the last ones used are kept also when nobody holds them, up to a number of bytes
(of their files), so that the next instance or frame finds them. Beyond that the one used longest ago goes first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


@dataclass(slots=True)
class CacheStats:
    """Counters of a cache: loads, hits, models let go, and what is kept now (models and bytes)."""

    loads: int = 0
    hits: int = 0
    evictions: int = 0
    kept: int = 0
    kept_bytes: int = 0


class SharedCache(Generic[T]):
    """Makes each thing once, however many threads ask at once, and keeps the last ones used."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._alive: WeakValueDictionary[Hashable, T] = WeakValueDictionary()
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._loading: dict[Hashable, Future[T]] = {}
        self._lock = threading.Lock()
        self._stats = CacheStats()

    def get(self, key: Hashable, size: int, make: Callable[[], T]) -> T:
        """The thing with a key, made by one caller while the others wait; all of them get its error."""
        with self._lock:
            found = self._alive.get(key)
            if found is not None:
                self._stats.hits += 1
                self._keep(key, found, size)
                return found
            running = self._loading.get(key)
            mine = self._loading.setdefault(key, Future())
        return running.result() if running else self._make(key, size, make, mine)

    def forget(self, match: Callable[[Hashable], bool]) -> int:
        """Keep those no longer whose key matches; how many there were. Their users may go on using them."""
        with self._lock:
            keys = [key for key in self._alive if match(key)]
            for key in keys:
                del self._alive[key]
                self._kept.pop(key, None)
            return len(keys)

    def release(self, match: Callable[[Hashable], bool]) -> int:
        """Keep those no longer whose key matches; how many there were. Who holds one still shares it."""
        with self._lock:
            keys = [key for key in self._kept if match(key)]
            for key in keys:
                del self._kept[key]
            return len(keys)

    def stats(self) -> CacheStats:
        """The counters, as they are now."""
        with self._lock:
            kept_bytes = sum(size for _, size in self._kept.values())
            stats = self._stats
            return CacheStats(stats.loads, stats.hits, stats.evictions, len(self._kept), kept_bytes)

    def _make(self, key: Hashable, size: int, make: Callable[[], T], future: Future[T]) -> T:
        try:
            made = make()
        except BaseException as error:
            self._done(key)
            future.set_exception(error)
            raise
        with self._lock:
            self._alive[key] = made
            self._stats.loads += 1
            self._keep(key, made, size)
        self._done(key)
        future.set_result(made)
        return made

    def _done(self, key: Hashable) -> None:
        with self._lock:
            del self._loading[key]

    def _keep(self, key: Hashable, value: T, size: int) -> None:
        self._kept[key] = value, size
        self._kept.move_to_end(key)
        held = sum(size for _, size in self._kept.values())
        while held > self._max_bytes and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            held -= freed
            self._stats.evictions += 1
