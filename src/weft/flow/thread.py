"""A thread of a pipeline: it makes its source, handler or sink, uses it, closes it, and contains what goes wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from threading import Thread
from typing import Protocol

from weft.flow.control import Control, Failed, Finished, Ready
from weft.flow.faults import unexpected
from weft.flow.stats import Meter


class _Closes(Protocol):
    def close(self) -> None: ...


REPLACED = "replaced"
"""Among counters: how many instances a handler threw away after a failure."""


def counted(thing: object) -> dict[str, int]:
    """What a source, handler or sink counted itself: ``counters``, a dataclass or a mapping, ``http``, ``replaced``."""
    out = {**_numbers(getattr(thing, "counters", None)), **_numbers(getattr(thing, "http", None))}
    replaced = getattr(thing, "replaced", 0)
    return {**out, REPLACED: replaced} if isinstance(replaced, int) and replaced else out


def _numbers(counters: object) -> dict[str, int]:
    if is_dataclass(counters) and not isinstance(counters, type):
        return asdict(counters)
    return dict(counters) if isinstance(counters, Mapping) else {}


def added(some: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """Two sets of counters as one."""
    return {**some, **{name: some.get(name, 0) + number for name, number in others.items()}}


class StageThread(Thread, ABC):
    """One thread of a stage. Whatever is raised on it is reported to the supervisor and ends the pipeline.

    It is a daemon: a stage that hangs for ever in foreign code must not keep the process alive.

    Attributes:
        stage: the node's name.
        meter: what it counts.
    """

    def __init__(self, stage: str, replica: int, control: Control) -> None:
        super().__init__(name=f"weft:{stage}#{replica}", daemon=True)
        self.stage = stage
        self.meter = Meter()
        self._books: tuple[Mapping[str, int], object] = {}, None
        self._control = control

    def run(self) -> None:
        """Work, contain what is raised, and always say when it is over."""
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - sources, handlers and sinks are foreign code
            self.fail(error)
        finally:
            self._control.post(Finished(self))

    @abstractmethod
    def work(self) -> None:
        """Make the thing, use it to the end, close it."""

    def ready(self) -> None:
        """Tell the supervisor that the thing is made."""
        self._control.post(Ready(self))

    def fail(self, error: BaseException) -> None:
        """Tell the supervisor that the pipeline must end."""
        self._control.post(Failed(unexpected(error, where=self.stage)))

    @property
    def counters(self) -> Mapping[str, int]:
        """What its source, handler or sink counted itself, with those before it. From any thread."""
        kept, thing = self._books
        return kept if thing is None else added(kept, counted(thing))

    def using(self, thing: object) -> None:
        """From now on this is the source, handler or sink whose counters are looked at."""
        self._books = self._books[0], thing

    def keep_counters(self, thing: object) -> None:
        """The thing is not used any more: what it counted stays."""
        # In one step: who looks meanwhile must not see the numbers go down.
        self._books = added(self._books[0], counted(thing)), None

    @contextmanager
    def closing(self, thing: _Closes) -> Iterator[None]:
        """Close ``thing`` in the end. An error in the body is reported first: finishing a file may take a while."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - as in run
            self.fail(error)
        finally:
            thing.close()
