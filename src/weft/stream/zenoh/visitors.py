"""Who connects to this process, and who leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import zenoh

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams


def tell_visitors(streams: ZenohStreams, tell: Callable[[str], None]) -> None:
    """Tell every link that comes and goes, on one of Zenoh's threads: by the certificate's name, and its address."""

    def changed(event: zenoh.LinkEvent) -> None:
        link = event.link
        who = f"{link.auth_identifier} at {link.dst}" if link.auth_identifier else link.dst
        tell(f"{who} {'connected' if event.kind == zenoh.SampleKind.PUT else 'left'}")

    streams.session.info.declare_link_events_listener(changed, history=True)
