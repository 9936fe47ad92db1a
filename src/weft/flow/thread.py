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


class StageThread(Thread, ABC):
    """One thread of a stage. Whatever is raised on it is reported to the supervisor and ends the pipeline.

    It is a daemon: a stage that hangs for ever in foreign code must not keep the process alive.

    Attributes:
        stage: the node's name.
        meter: what it counts.
        counters: what its source or sink counted itself, once that is closed.
    """

    def __init__(self, stage: str, replica: int, control: Control) -> None:
        super().__init__(name=f"weft:{stage}#{replica}", daemon=True)
        self.stage = stage
        self.meter = Meter()
        self.counters: Mapping[str, int] = {}
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

    def keep_counters(self, thing: object) -> None:
        """What a source or sink counted itself, in a dataclass called ``counters``."""
        counters = getattr(thing, "counters", None)
        if is_dataclass(counters) and not isinstance(counters, type):
            self.counters = asdict(counters)

    @contextmanager
    def closing(self, thing: _Closes) -> Iterator[None]:
        """Close ``thing`` in the end. An error in the body is reported first: finishing a file may take a while."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - as in run
            self.fail(error)
        finally:
            thing.close()
