"""Something many threads share: the first to ask makes it, the others wait for it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Calls ``make`` once, whoever asks first; ``functools.cache`` would call it on several threads at a time.

    Works as a decorator of a function without parameters.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self.__doc__ = make.__doc__
        self._make = make
        self._lock = Lock()
        self._made: tuple[T] | None = None

    @property
    def made(self) -> bool:
        """Whether somebody has asked already."""
        return self._made is not None

    def __call__(self) -> T:
        """The thing. Raises what making it raised; the next call tries again."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = (self._make(),)
        return self._made[0]
