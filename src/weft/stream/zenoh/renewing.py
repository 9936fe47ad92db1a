"""A router under rules: opened anew when a device comes whose name Zenoh has still to be told of."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from queue import SimpleQueue
from threading import Event, Thread

from weft.core.errors import WeftError
from weft.stream.known_names import remember
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams

GATHER_S = 0.3
"""A site's devices come together when its power does: their names are gathered for so long."""

PAUSE_S = 0.1
"""Between two tries to listen again."""

log = logging.getLogger("weft.router")


class RenewedStreams:
    """The streams of a router, for as long as it runs.

    Attributes:
        streams: as they are now.
        renewals: how often they were opened anew.
    """

    def __init__(self, link: Link, opened: Callable[[ZenohStreams], None]) -> None:
        """Open them. ``opened`` is given each new session. Raises UnavailableError when it cannot listen."""
        self.renewals = 0
        self._refused = Counter[tuple[str, str]]()
        self._link = link
        self._opened = opened
        self._new: SimpleQueue[str] = SimpleQueue()
        self._closed = Event()
        self.streams = self._begin(link)
        self._thread = Thread(target=self._run, name="weft-router-names", daemon=True)
        self._thread.start()

    @property
    def refused(self) -> Counter[tuple[str, str]]:
        """How often something was refused, by the certificate's name and the right."""
        gate = self.streams.gate
        return self._refused if gate is None else self._refused + gate.refused

    def close(self) -> None:
        """Close them. The second time nothing happens."""
        if not self._closed.is_set():
            self._closed.set()
            self._new.put("")
            self._thread.join()
            self.streams.close()

    def _begin(self, link: Link) -> ZenohStreams:
        streams = ZenohStreams(link)
        with ExitStack() as made:
            made.callback(streams.close)
            self._opened(streams)
            if streams.gate is not None:
                streams.gate.watch(self._new.put)
            made.pop_all()
        return streams

    def _run(self) -> None:
        while name := self._new.get():
            self._closed.wait(GATHER_S)
            names = {name}
            while not self._new.empty():
                names.add(self._new.get())
            if self._closed.is_set():
                return
            if names - self._link.names:
                self._renew(names - self._link.names)

    def _renew(self, names: set[str]) -> None:
        """Every link is cut, and comes back by itself.

        Zenoh reads rules when it opens a session, and two sessions cannot listen on one port: the old one goes first.
        """
        who = ", ".join(f"'{name}'" for name in sorted(names))
        log.info("new here, with rights by a rule with a *: %s; all links are made anew", who)
        remember(names)
        self._link = replace(self._link, names=self._link.names | names)
        self._refused = self.refused
        self.streams.close()
        told = False
        while not self._closed.is_set():
            try:
                self.streams = self._begin(self._link)
            except WeftError as error:
                if not told:
                    log.warning("%s; trying on", error)
                told = True
                self._closed.wait(PAUSE_S)
            else:
                self.renewals += 1
                return
