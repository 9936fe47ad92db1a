"""Tells a site how the cameras of a pipeline are, so that `weft streams` shows it."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from weft.core.errors import WeftError
from weft.flow.faults import log
from weft.flow.reader import SourceThread

if TYPE_CHECKING:
    from weft.flow.executor import Run
    from weft.flow.graph import Graph
    from weft.flow.site import Site

LOOK_S = 0.25
"""How often it looks; a state that lasts less is not told."""


def tell_states(run: Run, graph: Graph, site: Site) -> None:
    """Look at the sources that may die, on a thread of its own, until the run ends."""
    Thread(target=_follow, args=(run, graph, site), name="weft:states", daemon=True).start()


def _follow(run: Run, graph: Graph, site: Site) -> None:
    streams = {node.name: node.emits[0] for node in graph.sources if not node.patterns}
    readers = {
        streams[stage.name]: thread
        for stage in run.stages
        for thread in stage.threads
        if isinstance(thread, SourceThread) and stage.name in streams
    }
    while not run.wait(LOOK_S):
        for stream, reader in readers.items():
            state, _ = reader.standing
            try:
                if (place := site.joined) is not None:
                    place.tell_state(stream, state)
            except WeftError as error:  # the site is being left
                log.debug("the state of '%s' was not told: %s", stream, error)
