"""The same news is told once a minute at most, however often it happens."""

from __future__ import annotations

from threading import Lock

from weft.core.clock import monotonic

AGAIN_S = 60.0
"""The same is not told again before that."""

_MOST = 256
"""Different news remembered; with more, all are forgotten, and may be told again at once."""


class Seldom:
    """Says whether something is still to be told. Any thread may ask."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._lock = Lock()

    def due(self, news: str) -> bool:
        """True, and it counts as told; False where it was told lately."""
        with self._lock:
            now = monotonic()
            if now - self._times.get(news, now - AGAIN_S) < AGAIN_S:
                return False
            if len(self._times) >= _MOST:
                self._times.clear()
            self._times[news] = now
            return True
