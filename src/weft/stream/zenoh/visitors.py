"""Who connects to this process, and who leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import zenoh

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

MOST_NAMES = 10_000
"""Names that are counted each; what comes beyond them is counted under "" as one."""


class Visitors:
    """Tells every link that comes and goes, by the certificate's name and its address, and counts them.

    ``tell`` is called on one of Zenoh's threads.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = Lock()
        self._came: Counter[str] = Counter()
        self._there: Counter[str] = Counter()

    def watch(self, streams: ZenohStreams) -> None:
        """Follow the links of these streams from now on, and of no others."""
        with self._lock:
            self._there = there = Counter[str]()
        streams.session.info.declare_link_events_listener(partial(self._changed, there), history=True)

    @property
    def there(self) -> dict[str, int]:
        """Links that are there now, by the name of the certificate; "" is one without."""
        with self._lock:
            return dict(self._there)

    @property
    def came(self) -> dict[str, int]:
        """How often somebody of this name has connected."""
        with self._lock:
            return dict(self._came)

    def _changed(self, there: Counter[str], event: zenoh.LinkEvent) -> None:
        link = event.link
        name = link.auth_identifier or ""
        connected = event.kind == zenoh.SampleKind.PUT
        with self._lock:
            counted = name if name in self._came or len(self._came) < MOST_NAMES else ""
            there[counted] += 1 if connected else -1
            self._came[counted] += connected
            if there[counted] <= 0:
                del there[counted]
        who = f"{name} at {link.dst}" if name else link.dst
        self._tell(f"{who} {'connected' if connected else 'left'}")
