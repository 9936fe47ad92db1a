"""The functions that are served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from threading import Thread
from types import MappingProxyType

from weft.core.clock import monotonic
from weft.core.errors import NotFoundError, UsageError
from weft.core.model import Model
from weft.core.suggest import did_you_mean
from weft.serve.functions.hosted import Hosted
from weft.serve.functions.spec import FunctionSpec, check_function_name
from weft.serve.models.service import Models


class Functions:
    """Names of functions and what is behind them. For the event loop's thread, but for ``add``, before it starts."""

    def __init__(self) -> None:
        self._hosted: dict[str, Hosted] = {}
        self._loading: Thread | None = None

    def add(self, name: str, spec: FunctionSpec) -> Hosted:
        """Name a function that is to be served. UsageError for a name that cannot be or is taken."""
        check_function_name(name)
        if name in self._hosted:
            raise UsageError(f"function '{name}' is there already", cure="give it another name")
        made = self._hosted[name] = Hosted(name, spec)
        return made

    def get(self, name: str) -> Hosted:
        """A function. NotFoundError."""
        try:
            return self._hosted[name]
        except KeyError:
            cure = did_you_mean(name, self._hosted) or "GET functions tells which there are"
            raise NotFoundError(f"no function '{name}'", cure=cure) from None

    def __contains__(self, name: str) -> bool:
        """Whether there is such a function."""
        return name in self._hosted

    def all(self) -> list[Hosted]:
        """All of them, in the order in which they were added."""
        return list(self._hosted.values())

    @property
    def ready(self) -> bool:
        """Whether all are ready."""
        return all(hosted.ready for hosted in self._hosted.values())

    def start(self, models: Models) -> None:
        """Load all, on a thread of its own, once the served models are settled: functions may use those by name."""
        self._loading = Thread(target=self._load, args=(models,), name="weft:functions", daemon=True)
        self._loading.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all are ready, or have failed; whether that has come."""
        if self._loading is not None:
            self._loading.join(timeout_s)
        return self._loading is None or not self._loading.is_alive()

    async def stop(self, drain_s: float) -> None:
        """Take nothing more, and finish within ``drain_s`` what was taken."""
        await asyncio.to_thread(self._stop, drain_s)

    def _load(self, models: Models) -> None:
        models.settled.wait()
        served = MappingProxyType({name: models.model(name) for name in models.names()})
        load_all(self._hosted.values(), served)

    def _stop(self, drain_s: float) -> None:
        until = monotonic() + drain_s
        if self._loading is not None:
            self._loading.join(drain_s)
        for hosted in self._hosted.values():
            hosted.close()
        for hosted in self._hosted.values():
            hosted.join(max(until - monotonic(), 0.0))


def load_all(hosted: Iterable[Hosted], models: Mapping[str, Model]) -> None:
    """Make functions ready, one after the other."""
    for one in hosted:
        one.load(models)
