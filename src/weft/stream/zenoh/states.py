"""How the sources of streams are: a token below the stream's key for each that says so, gone with its process."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from threading import Lock

import zenoh

from weft.core.errors import PipelineError
from weft.stream.base import StreamInfo
from weft.stream.names import GLOBAL, STATE, scope_of, stream_of

_WORDS = re.compile(r"[a-z]+( [a-z]+)*")
_TOKEN = re.compile(r"[0-9a-f]+/([a-z]+(_[a-z]+)*)")


class States:
    """What this process says of the sources it publishes."""

    def __init__(self, session: zenoh.Session) -> None:
        self._session = session
        self._lock = Lock()
        self._told: dict[str, tuple[str, zenoh.LivelinessToken]] = {}

    def tell(self, key: str, state: str) -> None:
        """Say how the source of the stream with this key is; "" says nothing any more, as does what is no word.

        Raises PipelineError where the session has ended.
        """
        with self._lock:
            before, token = self._told.get(key, ("", None))
            if state == before:
                return
            self._told.pop(key, None)
            try:
                if _WORDS.fullmatch(state):
                    now = f"{key}/{STATE}/{self._session.zid()}/{state.replace(' ', '_')}"
                    self._told[key] = state, self._session.liveliness().declare_token(now)
                if token is not None:
                    token.undeclare()
            except zenoh.ZError as error:
                raise PipelineError(f"the state of its source cannot be told: {error}", where=stream_of(key)) from error


def with_states(found: Iterable[StreamInfo], tokens: Iterable[str]) -> list[StreamInfo]:
    """Streams with what the tokens of all processes say of their sources; where several do, all of it."""
    states: dict[tuple[str, str], set[str]] = {}
    for token in tokens:
        key, _, about = token.partition(f"/{STATE}/")
        if (word := _TOKEN.fullmatch(about)) is not None:
            shown = "global" if scope_of(key) == GLOBAL else scope_of(key)
            states.setdefault((stream_of(key), shown), set()).add(word[1].replace("_", " "))
    return [replace(info, state=", ".join(sorted(states.get((info.name, info.scope), ())))) for info in found]
