"""Opening Zenoh's session: again and again, until somebody is there to join."""

from __future__ import annotations

import logging
import random
import time

import zenoh

from weft.core.clock import monotonic
from weft.core.errors import UnavailableError
from weft.stream.zenoh.link import Link, configuration
from weft.stream.zenoh.told import CANNOT, cure_of, last_reason

FIRST_PAUSE_S = 0.1
MOST_PAUSE_S = 4.0

log = logging.getLogger(__name__)


def open_session(link: Link, patience_s: float) -> zenoh.Session:
    """A session. One that only connects has a link when this returns; one that listens may be alone for now.

    Raises UnavailableError when it cannot listen, or nobody could be joined within ``patience_s`` seconds.
    """
    deadline = monotonic() + patience_s
    pause = FIRST_PAUSE_S
    while True:
        try:
            return zenoh.open(configuration(link))
        except zenoh.ZError as error:
            if link.alone or monotonic() >= deadline:
                raise _cannot(link, error, patience_s) from error
            log.debug("not joined yet: %s", short(error))
        # With jitter: when a router comes back, not all of its site calls at the same moment.
        time.sleep(max(0.0, min(pause * random.uniform(0.5, 1.0), deadline - monotonic())))
        pause = min(2 * pause, MOST_PAUSE_S)


def short(error: Exception) -> str:
    """What Zenoh's error says, without the places in its source."""
    return str(error).split(" at /", 1)[0].strip()


def _cannot(link: Link, error: Exception, patience_s: float) -> UnavailableError:
    where = ", ".join(link.listen + link.connect)
    if link.alone:
        return UnavailableError(f"cannot listen: {short(error)}", where=where, cure="is the port in use?")
    why = last_reason() or f"nobody there takes us (tried for {patience_s:g} s)"
    *_, why = why.rpartition(CANNOT)
    return UnavailableError(f"cannot join: {why}", where=where, cure=cure_of(why))
