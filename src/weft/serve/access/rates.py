"""How often callers ask: a bucket of tokens for each."""

from __future__ import annotations

from dataclasses import dataclass, field

from weft.core.clock import monotonic
from weft.core.errors import RateLimitError


@dataclass(slots=True)
class Bucket:
    """Holds up to ``burst`` requests and fills with ``rate`` of them a second; full at first. For one thread.

    Attributes:
        rate: requests a second.
        burst: requests at once, after a pause.
        left: requests that may come at once.
        looked: monotonic seconds when that was so.
    """

    rate: float
    burst: int
    left: float = field(init=False)
    looked: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        self.left = float(self.burst)

    def take(self, caller: str) -> None:
        """Count one request. RateLimitError, with the time until there is room, for one too many."""
        now = monotonic()
        self.left = min(self.burst, self.left + (now - self.looked) * self.rate)
        self.looked = now
        if self.left < 1:
            wait_s = (1 - self.left) / self.rate
            what = f"'{caller}' asks more often than {self.rate:g} times a second"
            raise RateLimitError(what, retry_after_s=wait_s, cure="wait as long as Retry-After says")
        self.left -= 1
