"""The models of a process: found, loaded once, shared, and kept as long as they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

from weft.core.errors import WeftError
from weft.core.model import ModelInfo, ModelOptions
from weft.nn.auto import AutoEngine
from weft.nn.backend import Session, Target, backend, check, known, preferred
from weft.nn.cache import CacheStats, SharedCache
from weft.nn.formats import Format
from weft.nn.loaded import LoadedModel
from weft.nn.source import Source, Sources
from weft.nn.usage import Watch

DEFAULT_MAX_IDLE_BYTES = 512 * 2**20
_PLANS = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """Which engine runs a model, where, and why this one."""

    engine: str
    target: Target
    why: str = ""


class ModelService:
    """Loads models once per process and shares them: implements ``weft.core.model.ModelProvider``.

    Models are told apart by their content's digest, engine, device, precision and threads. One that somebody
    holds is never unloaded; those that nobody holds are kept up to ``max_idle_bytes`` of model files, the ones
    used longest ago let go first. ``stats`` counts all of that. Safe to use from many threads.

    Attributes:
        watch: who is told of each inference.
    """

    def __init__(self, max_idle_bytes: int = DEFAULT_MAX_IDLE_BYTES) -> None:
        self.watch = Watch()
        self._sources = Sources()
        self._auto = AutoEngine()
        self._sessions: SharedCache[Session] = SharedCache(max_idle_bytes)
        self._models: WeakValueDictionary[object, LoadedModel] = WeakValueDictionary()
        self._stated = lru_cache(_PLANS)(_stated_plan)

    def load(self, path: Path, options: ModelOptions = ModelOptions()) -> LoadedModel:
        """The model in a file or SavedModel directory.

        Raises NotFoundError when it is not there, ModelError when it cannot be read, and UnavailableError when
        this machine lacks the engine, device or precision asked for.
        """
        return self._load(self._sources.of_path(path), options)

    def load_bytes(self, parts: Sequence[bytes], options: ModelOptions = ModelOptions()) -> LoadedModel:
        """The model in memory: one part, or two for OpenVINO IR (xml, bin). Errors as for ``load``."""
        return self._load(self._sources.of_bytes(parts), options)

    def check(self, path: Path, options: ModelOptions = ModelOptions()) -> None:
        """Raise what ``load`` would for a file that is no model, or an engine, device or precision that is not here."""
        source = self._sources.of_path(Path(path))
        if options.engine != "auto":
            plan = self._plan(source, options)
            check(backend(plan.engine), source, plan.target)

    def stats(self) -> CacheStats:
        """How many models were loaded, found, let go, and how many are kept now."""
        return self._sessions.stats()

    def loaded(self) -> list[LoadedModel]:
        """The models somebody holds now."""
        found = (reference() for reference in self._models.valuerefs())  # a list made in one step; others may add
        return [model for model in found if model is not None]

    def forget(self, digest: str) -> int:
        """Let the models with a digest go; how many there were. Whoever holds one may go on using it."""
        return self._sessions.forget(lambda key: isinstance(key, tuple) and key[0] == digest)

    def release(self, digest: str) -> int:
        """Let the models with a digest go as soon as nobody holds them; how many were kept."""
        return self._sessions.release(lambda key: isinstance(key, tuple) and key[0] == digest)

    def _load(self, source: Source, options: ModelOptions) -> LoadedModel:
        try:
            plan = self._plan(source, options)
            key = (source.digest, plan.engine, plan.target)
            session = self._sessions.get(key, source.size, lambda: _open(source, plan))
        except WeftError as error:
            error.at(source.where)
            raise
        return self._model(source, options, plan, session)

    def _model(self, source: Source, options: ModelOptions, plan: Plan, session: Session) -> LoadedModel:
        key = (source.name, options, id(session))
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = LoadedModel(_info(source, options, plan, session), session, self.watch)
        return model

    def _plan(self, source: Source, options: ModelOptions) -> Plan:
        if options.engine != "auto":
            return self._stated(source.format, options)
        target = Target.of(options)
        engine, why = self._auto.choose(source, target)
        return Plan(engine, target, why)


def _stated_plan(kind: Format, options: ModelOptions) -> Plan:
    return Plan(options.engine or preferred(kind), Target.of(options))


def _open(source: Source, plan: Plan) -> Session:
    found = backend(plan.engine)
    check(found, source, plan.target)
    session = found.open(source, plan.target)
    source.check_unchanged()
    return session


def _info(source: Source, options: ModelOptions, plan: Plan, session: Session) -> ModelInfo:
    return ModelInfo(
        name=source.name,
        format=source.format,
        digest=source.digest,
        size=source.size,
        engine=plan.engine,
        engine_version=known(plan.engine).engine.version(),
        device=plan.target.device,
        precision=plan.target.precision,
        threads=plan.target.threads,
        inputs=session.inputs,
        outputs=session.outputs,
        notes={**session.notes, **({"engine": plan.why} if plan.why else {})},
        layout=options.layout,
    )
