"""Who publishes now: the tokens of publishers, followed from the first time somebody wants to know."""

from __future__ import annotations

from collections.abc import Container, Sequence
from threading import Lock, Semaphore
from time import sleep

import zenoh
from zenoh.handlers import Callback

ANSWER_S = 1.0
"""Seconds to wait for others to say what is there."""

SETTLE_S = 0.1
"""The first time: how long tokens may come behind the message that says they are complete. Zenoh sends that one with
another priority, so it may overtake them, and asking alone finds nothing now and then."""

MOST_MISSED = 4
"""One answer may lack a token that is there, for the same reason; so many in a row do not."""

MAX_TOKENS = 65_536


class Tokens:
    """The keys of tokens that are declared now, under some key expressions."""

    def __init__(self, session: zenoh.Session, patterns: Sequence[str]) -> None:
        self._session = session
        self._patterns = patterns
        self._lock = Lock()
        self._keys: dict[str, int] = {}
        self._asking = Lock()
        self._gone: set[str] = set()
        liveliness = session.liveliness()
        self._declared = [liveliness.declare_subscriber(key, self._token, history=True) for key in patterns]
        self.now()
        sleep(SETTLE_S)

    def now(self) -> list[str]:
        """The keys, after everybody has been asked once more."""
        with self._asking:
            self._gone = set()
            answers = self._ask()
            with self._lock:
                self._compare(answers)
                return list(self._keys | {key: 0 for key in answers if key not in self._gone})

    def _compare(self, answers: Container[str]) -> None:
        """Forget what nobody answers for any more: now and then, its end is not told, or overtaken by an answer."""
        for key, missed in list(self._keys.items()):
            self._keys[key] = 0 if key in answers else missed + 1
            if self._keys[key] >= MOST_MISSED:
                del self._keys[key]

    def _ask(self) -> dict[str, None]:
        """What was declared before the answer is known when it is here.

        Answers count this time only: a token that went away meanwhile would stay, as it does not go away again.
        """
        found: dict[str, None] = {}
        ended = Semaphore(0)

        def take(reply: zenoh.Reply) -> None:
            if reply.ok is not None and len(found) < MAX_TOKENS:
                found[str(reply.ok.key_expr)] = None

        for pattern in self._patterns:
            answer = Callback(take, ended.release, indirect=False)
            self._session.liveliness().get(pattern, answer, timeout=ANSWER_S)
        for _ in self._patterns:
            ended.acquire(timeout=2 * ANSWER_S)
        return found

    def _token(self, sample: zenoh.Sample) -> None:
        key = str(sample.key_expr)
        with self._lock:
            if sample.kind == zenoh.SampleKind.DELETE:
                self._keys.pop(key, None)
                if self._asking.locked():
                    self._gone.add(key)
            elif len(self._keys) < MAX_TOKENS:
                self._keys[key] = 0
