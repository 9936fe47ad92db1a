"""The memory budget of served models: who is put aside when one more is to be loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

from weft.core.errors import BusyError, UnavailableError
from weft.core.units import format_size
from weft.serve.models.version import Version


class Memory:
    """Keeps the models that are loaded within ``limit`` bytes of their files (None: no limit).

    Policy: the idle one used longest ago is put aside first, and loads again with its next request. Where only models
    at work are left, the newcomer is refused.
    """

    def __init__(self, limit: int | None, put_aside: Callable[[Version], None]) -> None:
        self.limit = limit
        self._put_aside = put_aside
        self._lock = Lock()
        self._held: dict[Version, int] = {}

    @property
    def held(self) -> int:
        """Bytes of the models that are loaded, or being loaded."""
        return sum(self._held.values())

    def make_room(self, version: Version, size: int) -> None:
        """Count a model that is about to be loaded, or loaded anew beside itself.

        Raises UnavailableError where it can never fit, BusyError where it does not fit now.
        """
        if self.limit is None:
            return
        with self._lock:
            beside = self._held.get(version, 0)
            if size + beside > self.limit:
                what = f"{format_size(size + beside)} do not fit into a budget of {format_size(self.limit)}"
                raise UnavailableError(what, where=version.where, cure="give models more memory")
            for candidate in self._oldest(self._held, version):
                if self.held + size <= self.limit:
                    break
                self._put_aside(candidate)
                self._held.pop(candidate, None)
            if self.held + size > self.limit:
                what = f"models at work leave no {format_size(size)} of {format_size(self.limit)}"
                raise BusyError(what, where=version.where, cure="ask again later, or give models more memory")
            self._held[version] = beside + size

    def settle(self, version: Version, size: int) -> None:
        """Count a model as what it is now; 0 for one that is gone."""
        with self._lock:
            if size:
                self._held[version] = size
            else:
                self._held.pop(version, None)

    @staticmethod
    def _oldest(held: Iterable[Version], beside: Version) -> list[Version]:
        return sorted((one for one in held if one is not beside and one.idle), key=lambda one: one.used)


def size_on_disk(path: Path) -> int:
    """Bytes of a model's file, or of all files in its folder; 0 where there is none: loading will say so."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return path.stat().st_size + _weights(path)
    except OSError:
        return 0


def _weights(path: Path) -> int:
    beside = path.with_suffix(".bin")
    return beside.stat().st_size if path.suffix == ".xml" and beside.is_file() else 0
