"""How long to wait before a camera or a server is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from weft.core.errors import UsageError

_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with jitter.

    Attributes:
        first: seconds before the first try; it doubles with each one that fails.
        most: seconds it never goes beyond.
        jitter: the share of a wait, 0 to 1, that chance takes off, so that cameras do not all come back at once.
        attempts: how many tries in a row may fail before the camera is given up; None tries for ever, 0 not once.
    """

    first: float = 0.5
    most: float = 30.0
    jitter: float = 0.3
    attempts: int | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for values that make no sense."""
        if not 0 < self.first <= self.most:
            raise UsageError(f"retry goes from {self.first:g} s to {self.most:g} s", cure="first must not exceed most")
        if not 0 <= self.jitter <= 1:
            raise UsageError(f"a jitter of {self.jitter:g}", cure="give a share from 0 to 1")
        if self.attempts is not None and self.attempts < 0:
            raise UsageError(f"{self.attempts} attempts", cure="give 0 or more, or leave it out to try for ever")

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row (1 or more); ``chance`` is from 0 to 1."""
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
        return longest * (1 - self.jitter * chance)

    def exhausted(self, failures: int) -> bool:
        """Whether so many failures in a row are the end."""
        return self.attempts is not None and failures > self.attempts


def retry_of(written: Retry | Mapping[str, Any] | None) -> Retry:
    """From a document's mapping. Raises UsageError for keys that are none."""
    if isinstance(written, Retry):
        return written
    try:
        return Retry(**(written or {}))
    except TypeError:
        keys = ", ".join(field.name for field in fields(Retry))
        raise UsageError(f"retry is {written!r}", cure=f"it has {keys}") from None
