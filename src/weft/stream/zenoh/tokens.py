"""Who publishes now: the tokens of publishers, followed from the first time somebody wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from time import sleep

import zenoh

ANSWER_S = 1.0
"""Seconds to wait for others to say what is there."""

SETTLE_S = 0.1
"""The first time: how long tokens may come behind the message that says they are complete. Zenoh sends that one with
another priority, so it may overtake them, and asking alone finds nothing now and then."""

MAX_TOKENS = 65_536


class Tokens:
    """The keys of tokens that are declared now, under some key expressions."""

    def __init__(self, session: zenoh.Session, patterns: Sequence[str]) -> None:
        self._session = session
        self._patterns = patterns
        self._lock = Lock()
        self._keys: dict[str, None] = {}
        liveliness = session.liveliness()
        self._declared = [liveliness.declare_subscriber(key, self._token, history=True) for key in patterns]
        self._ask()
        sleep(SETTLE_S)

    def now(self) -> list[str]:
        """The keys, after everybody has been asked once more."""
        self._ask()
        with self._lock:
            return list(self._keys)

    def _ask(self) -> None:
        """What was declared before the answer is known when it is here."""
        for pattern in self._patterns:
            for reply in self._session.liveliness().get(pattern, timeout=ANSWER_S):
                if reply.ok is not None:
                    self._token(reply.ok)

    def _token(self, sample: zenoh.Sample) -> None:
        with self._lock:
            if sample.kind == zenoh.SampleKind.DELETE:
                self._keys.pop(str(sample.key_expr), None)
            elif len(self._keys) < MAX_TOKENS:
                self._keys[str(sample.key_expr)] = None
