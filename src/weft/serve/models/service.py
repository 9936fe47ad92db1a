"""The models that are served: one service for HTTP, gRPC and pipelines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import Protocol

from weft.core.clock import monotonic
from weft.core.errors import BusyError, ModelError, NotFoundError, UsageError, WeftError
from weft.core.model import Model, ModelInfo, ModelProvider
from weft.core.suggest import did_you_mean
from weft.core.tensor import Tensor
from weft.serve.caller import ITSELF, Caller
from weft.serve.models.job import Outputs, RetiredError
from weft.serve.models.labels import best_classes, read_labels
from weft.serve.models.lane import Lane
from weft.serve.models.loading import open_lane
from weft.serve.models.memory import Memory, size_on_disk
from weft.serve.models.request import InferRequest, InferResponse, Wanted
from weft.serve.models.spec import FIRST_VERSION, ModelSpec, check_name
from weft.serve.models.twin import twin_of
from weft.serve.models.version import ASIDE, UNLOADED, Version
from weft.serve.models.waiting import patience_of, run_async, run_sync
from weft.serve.models.waking import Waking

log = logging.getLogger("weft.serve")


class Provider(ModelProvider, Protocol):
    """What loads models once per process: :class:`weft.nn.service.ModelService`."""

    def release(self, digest: str) -> int:
        """Let the models with a digest go as soon as nobody holds them."""


class Models:
    """Names and versions of models, their lanes, and their memory. Safe to use from many threads.

    A request without a version goes to the greatest one that is ready. A version that is loaded anew is loaded beside
    itself and then takes the place of the old: what the old one took it finishes, and no request fails.

    Attributes:
        memory: what the loaded ones hold.
        settled: set once all that were there at the start are loaded, or have failed.
    """

    def __init__(self, provider: Provider, memory: int | None = None) -> None:
        """``provider`` loads models once per process; ``memory`` is their budget in bytes of model files."""
        self._provider = provider
        self._versions: dict[str, dict[str, Version]] = {}
        self._lock = Lock()
        self._waking = Waking(self._wake)
        self.memory = Memory(memory, self._put_aside)
        self.settled = Event()

    # --- what there is -------------------------------------------------------------------

    def add(self, name: str, spec: ModelSpec, version: str = FIRST_VERSION) -> Version:
        """Name a model that may be served; it is not loaded yet. UsageError for a name that cannot be or is taken."""
        check_name(name)
        made = Version(name, version, spec)
        with self._lock:
            numbers = dict(self._versions.get(name, {}))
            if version in numbers:
                raise UsageError(f"model '{name}/{version}' is there already", cure="give it another name or version")
            numbers[version] = made
            self._versions[name] = dict(sorted(numbers.items(), key=lambda row: -int(row[0])))
        return made

    def names(self) -> list[str]:
        """The names, in the order in which they were added."""
        return list(self._versions)

    def versions(self, name: str = "") -> list[Version]:
        """The versions of a model, the greatest first; of all models without a name. NotFoundError."""
        if name:
            return list(self._named(name).values())
        return [version for numbers in self._versions.values() for version in numbers.values()]

    def version(self, name: str, number: str = "") -> Version:
        """A version; without a number the one that a request would go to, or else the greatest. NotFoundError."""
        numbers = self._named(name)
        if not number:
            return next((one for one in numbers.values() if one.ready), next(iter(numbers.values())))
        if number not in numbers:
            what = f"model '{name}' has no version '{number}'"
            raise NotFoundError(what, cure=f"its versions are {', '.join(numbers)}")
        return numbers[number]

    def _named(self, name: str) -> Mapping[str, Version]:
        try:
            return self._versions[name]
        except KeyError:
            cure = did_you_mean(name, self._versions) or "POST v2/repository/index tells which there are"
            raise NotFoundError(f"no model '{name}'", cure=cure) from None

    @property
    def ready(self) -> bool:
        """Whether every model that is to be served is ready; those that were unloaded on purpose do not count."""
        return all(one.ready or one.reason == UNLOADED for one in self.versions())

    # --- inference -----------------------------------------------------------------------

    async def infer(self, request: InferRequest) -> InferResponse:
        """One inference; cancelled before it began, it never begins.

        Raises DeniedError, NotFoundError (no such model), UnavailableError (not ready), BusyError (queue full, waited
        too long), OverdueError (ran too long), TensorError (wrong inputs), ModelError (the engine failed).
        """
        request.caller.require("infer", "model", request.model)
        while True:
            version = self.version(request.model, request.version)
            if (lane := version.open_lane()) is None:
                with self._waking.waiting_for(version) as woken:
                    await asyncio.wait_for(asyncio.wrap_future(woken), patience_of(version, request))
                continue
            try:
                outputs = await run_async(lane, version, request)
            except RetiredError:
                continue
            return _response(request, version, lane, outputs)

    def infer_now(self, request: InferRequest) -> InferResponse:
        """As :meth:`infer`, for threads: waits for the answer."""
        request.caller.require("infer", "model", request.model)
        while True:
            version = self.version(request.model, request.version)
            if (lane := version.open_lane()) is None:
                with self._waking.waiting_for(version) as woken:
                    woken.result(patience_of(version, request))
                continue
            try:
                outputs = run_sync(lane, version, request)
            except RetiredError:
                continue
            return _response(request, version, lane, outputs)

    def model(self, name: str, version: str = "", caller: Caller = ITSELF) -> Model:
        """A served model as functions and pipelines take models: it goes through the same queue. NotFoundError."""
        self.version(name, version)
        return ServedModel(self, name, version, caller)

    # --- loading -------------------------------------------------------------------------

    def start(self) -> Thread:
        """Load all models, on a thread of its own; those that fail stay unavailable and are logged."""
        versions = self.versions()
        for version in versions:
            version.state, version.reason = "LOADING", ""
        thread = Thread(target=self._load_all, args=(versions,), name="weft:models", daemon=True)
        thread.start()
        return thread

    def load(self, name: str, version: str = "", *, caller: Caller) -> None:
        """Load a model, or load it anew where its files have changed; all its versions, unless one is named.

        Waits until it is ready. What is served meanwhile goes on being served, also when this fails.
        Raises DeniedError, NotFoundError, ModelError, UnavailableError, InputError.
        """
        caller.require("manage", "model", name)
        errors = [error for one in self._some(name, version) if (error := self._try(one))]
        if errors:
            raise errors[0]

    def unload(self, name: str, version: str = "", *, caller: Caller) -> None:
        """Take no more requests for a model; those it took are finished. Raises as :meth:`load`."""
        caller.require("manage", "model", name)
        for one in self._some(name, version):
            with one.changing:
                one.state, one.reason, one.cure, one.aside = "UNAVAILABLE", UNLOADED, "", False
                self._retire(one)
                self.memory.settle(one, 0)

    def close(self, timeout_s: float) -> None:
        """Take nothing more, and wait for what was taken."""
        lanes = [one.lane for one in self.versions() if one.lane]
        for lane in lanes:
            lane.close()
        until = monotonic() + timeout_s
        for lane in lanes:
            lane.join(max(until - monotonic(), 0.0))

    def _some(self, name: str, version: str) -> list[Version]:
        return [self.version(name, version)] if version else self.versions(name)

    def _load_all(self, versions: Sequence[Version]) -> None:
        try:
            for version in versions:
                self._try(version)
        finally:
            self.settled.set()

    def _try(self, version: Version) -> WeftError | None:
        try:
            with version.changing:
                self._bring(version)
        except WeftError as error:
            log.error("model '%s' cannot be loaded: %s", version.where, error)
            return error
        return None

    def _bring(self, version: Version) -> None:
        """Load a version and let it take its own place. Raises what loading raises; the old one stays then."""
        if version.lane is None and not version.aside:
            version.state, version.reason = "LOADING", ""
        size = size_on_disk(version.spec.path)
        try:
            lane = self._opened(version, size)
        except WeftError as error:
            self.memory.settle(version, version.size if version.lane else 0)
            if version.lane is None and not (version.aside and isinstance(error, BusyError)):
                version.state, version.reason, version.aside = "UNAVAILABLE", error.what, False
                version.cure = error.cure
            raise
        self.memory.settle(version, size)
        if lane is not version.lane:
            self._swap(version, lane, size)

    def _opened(self, version: Version, size: int) -> Lane:
        """A lane with what is on the disk now: the one there is, if that has not changed."""
        self.memory.make_room(version, size)
        try:
            model = self._provider.load(version.spec.path, version.spec.options)
            labels = read_labels(version.spec.labels) if version.spec.labels else ()
            if version.lane is not None and version.described().digest == model.info.digest:
                version.labels = labels
                return version.lane
            twin = twin_of(model, version.spec, self._provider, budget=self.memory.limit is not None)
            lane = open_lane(version, model, twin)
        except WeftError:
            raise
        except Exception as error:  # an engine can raise anything; a model must not stay "loading" for ever
            log.exception("model '%s' cannot be loaded", version.where)
            raise ModelError(f"the engine failed: {type(error).__name__}", where=version.name) from error
        version.info, version.labels = model.info, labels
        return lane

    def _swap(self, version: Version, lane: Lane, size: int) -> None:
        old, version.lane = version.lane, lane
        version.state, version.reason, version.aside = "READY", "", False
        version.used, version.size = monotonic(), size
        version.counter.count("loads")
        info = version.described()
        log.info("model '%s' is ready: %s on %s", version.where, info.engine, info.device)
        if old is not None:
            self._finish(old)

    def _wake(self, version: Version) -> None:
        """Load a model again that was put aside. Raises what loading raises."""
        with version.changing:
            if version.aside:
                self._bring(version)

    def _put_aside(self, version: Version) -> None:
        version.aside, version.reason = True, ASIDE
        version.counter.count("evictions")
        log.info("model '%s' is %s", version.where, ASIDE)
        self._retire(version)

    def _retire(self, version: Version) -> None:
        lane, version.lane = version.lane, None
        if lane is not None:
            self._finish(lane)

    def _finish(self, lane: Lane) -> None:
        """Let a lane do what it took, and then let its model go, unless others hold it, too."""
        lane.close()
        Thread(target=self._let_go, args=(lane,), name="weft:retire", daemon=True).start()

    def _let_go(self, lane: Lane) -> None:
        lane.join()
        self._provider.release(lane.model.info.digest)


class ServedModel:
    """A served model where a ``weft.core.model.Model`` is wanted."""

    def __init__(self, models: Models, name: str, version: str, caller: Caller) -> None:
        self._models = models
        self._name = name
        self._version = version
        self._caller = caller

    @property
    def info(self) -> ModelInfo:
        """Ports, engine, device, size. Raises UnavailableError while it was never loaded."""
        return self._models.version(self._name, self._version).described()

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str] | None = None) -> dict[str, Tensor]:
        """One inference, through the model's queue. Raises what :meth:`Models.infer` raises."""
        wanted = () if outputs is None else tuple(map(Wanted, outputs))
        if outputs is not None and not wanted:
            return {}
        request = InferRequest(self._name, self._caller, inputs, self._version, wanted)
        return self._models.infer_now(request).outputs


def _response(request: InferRequest, version: Version, lane: Lane, outputs: Outputs) -> InferResponse:
    named = dict(_chosen(request, version, outputs)) if request.outputs else outputs
    return InferResponse(version.name, version.number, named, request.id, lane.ran)


def _chosen(request: InferRequest, version: Version, outputs: Outputs) -> Iterator[tuple[str, Tensor]]:
    for wanted in request.outputs:
        tensor = outputs[wanted.name]
        if wanted.classes:
            tensor = best_classes(tensor, wanted.classes, version.labels, f"output '{wanted.name}'")
        yield wanted.name, tensor
