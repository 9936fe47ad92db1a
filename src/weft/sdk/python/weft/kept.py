"""What the pipeline says to a function, and what the function keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

from weft._backend import host

T = TypeVar("T")


class Config(Mapping[str, str]):
    """The function's config: texts by name."""

    def __init__(self) -> None:
        self._values: Mapping[str, str] | None = None

    @property
    def _all(self) -> Mapping[str, str]:
        if self._values is None:
            self._values = host().config()
        return self._values

    def __getitem__(self, key: str) -> str:
        return self._all[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


class State:
    """Values that outlive the instance, where they are granted: bytes by name. Names cannot be listed.

    What a frame writes is kept when it succeeds, and thrown away when it fails. Raises HostError.
    """

    @overload
    def get(self, key: str) -> bytes | None: ...

    @overload
    def get(self, key: str, default: T) -> bytes | T: ...

    def get(self, key: str, default: T | None = None) -> bytes | T | None:
        """A value, or the default."""
        value = host().state_get(key)
        return default if value is None else value

    def __getitem__(self, key: str) -> bytes:
        value = host().state_get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: bytes | bytearray | memoryview) -> None:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"state keeps bytes; this is {type(value).__name__}")
        host().state_put(key, bytes(value))

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        host().state_delete(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and host().state_get(key) is not None

    def pop(self, key: str, default: T | None = None) -> bytes | T | None:
        """Delete a value and return it, or the default."""
        value = host().state_get(key)
        if value is None:
            return default
        host().state_delete(key)
        return value

    def setdefault(self, key: str, default: bytes) -> bytes:
        """A value, which is the default from now on where there was none."""
        value = host().state_get(key)
        if value is None:
            self[key] = value = bytes(default)
        return value


config = Config()
state = State()
