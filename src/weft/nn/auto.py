"""``engine: auto``: time the engines that can read a model once, on its own inputs, and remember the winner."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from weft.core.dtypes import BOOL, BYTES
from weft.core.errors import ModelError, TensorError, UnavailableError, WeftError
from weft.core.model import Port
from weft.core.paths import cache_dir
from weft.core.tensor import Tensor
from weft.core.units import format_duration
from weft.nn.backend import Session, Target, backend, check, known, preferred, readers
from weft.nn.source import Source

_ROUNDS, _WARM_UP, _BUDGET_S = 15, 3, 2.0
_REMEMBERED = 500
Seconds = Mapping[str, float]


class AutoEngine:
    """Chooses engines, one model at a time, so that one choice does not disturb the timing of another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chosen: OrderedDict[tuple[str, Target], tuple[str, str]] = OrderedDict()

    def choose(self, source: Source, target: Target) -> tuple[str, str]:
        """The fastest engine for a model on a target, and a sentence that says why.

        Raises UnavailableError when no engine can be asked, and the first engine's error when none can load the model.
        """
        key = (source.digest, target)
        with self._lock:
            if key not in self._chosen:
                self._chosen[key] = self._choose(source, target)
            if len(self._chosen) > _REMEMBERED:
                self._chosen.popitem(last=False)
            return self._chosen[key]

    def _choose(self, source: Source, target: Target) -> tuple[str, str]:
        names = _candidates(source, target)
        if len(names) == 1:
            return names[0], f"auto: {names[0]} is the only engine here that can"
        key = _key(source, target, names)
        if (seconds := _remembered(key, names)) is not None:
            return _fastest(seconds), f"auto: {_told(seconds)} (remembered)"
        seconds, failures = _time(source, target, names)
        if not seconds:
            return names[0], f"auto: {names[0]}, as none could be timed ({'; '.join(failures)})"
        _remember(key, seconds)
        more = "".join(f"; {failure}" for failure in failures)
        return _fastest(seconds), f"auto: {_told(seconds)} (timed now, median of up to {_ROUNDS}{more})"


def memory_file() -> Path:
    """Where the winners are remembered."""
    return cache_dir() / "engines.json"


def _candidates(source: Source, target: Target) -> list[str]:
    names, errors = [], []
    for name in readers(source.format) or (preferred(source.format),):
        try:
            check(backend(name), source, target)
            names.append(name)
        except UnavailableError as error:
            errors.append(error)
    if not names:
        raise errors[0]
    return names


def _time(source: Source, target: Target, names: Sequence[str]) -> tuple[Seconds, list[str]]:
    """The median of each engine, in turns, so that a busy moment of the machine meets all of them."""
    sessions, failures, first = _open(source, target, names)
    if not sessions and first is not None:
        raise first
    taken: dict[str, list[float]] = {}
    deadline = time.perf_counter() + _BUDGET_S
    for turn in range(_WARM_UP + _ROUNDS):
        if turn > _WARM_UP and time.perf_counter() > deadline:
            break
        for name, (session, feeds) in list(sessions.items()):
            try:
                spent = _once(session, feeds)
            except (ModelError, TensorError) as error:
                failures.append(f"{name} failed on made-up inputs: {error.what}")
                del sessions[name]
                continue
            if turn >= _WARM_UP:
                taken.setdefault(name, []).append(spent)
    return {name: median(taken[name]) for name in sessions}, failures


def _open(
    source: Source, target: Target, names: Sequence[str]
) -> tuple[dict[str, tuple[Session, list[Tensor]]], list[str], WeftError | None]:
    sessions, failures, first = {}, [], None
    for name in names:
        try:
            session = backend(name).open(source, target)
            sessions[name] = session, [made_up(port) for port in session.inputs]
        except (ModelError, UnavailableError) as error:
            first = first or error
            failures.append(f"{name}: {error.what}")
    return sessions, failures, first


def _once(session: Session, feeds: Sequence[Tensor]) -> float:
    start = time.perf_counter()
    session.run(feeds, range(len(session.outputs)))
    return time.perf_counter() - start


def made_up(port: Port) -> Tensor:
    """Random numbers a model can take: fractions for floats, zeros and ones for integers, which may be indexes."""
    shape = (1,) if port.shape is None else tuple(1 if dim is None else dim for dim in port.shape)
    if port.dtype is BYTES:
        return Tensor(np.full(shape, b"", dtype=np.object_), BYTES)
    random = np.random.default_rng(0)
    if port.dtype.numpy.kind == "f":
        return Tensor(random.random(shape).astype(port.dtype.numpy), port.dtype)
    limit = 2 if port.dtype is BOOL or port.dtype.numpy.itemsize > 1 else 100
    return Tensor(random.integers(0, limit, shape).astype(port.dtype.numpy), port.dtype)


def _fastest(seconds: Seconds) -> str:
    return min(seconds, key=lambda name: seconds[name])


def _told(seconds: Seconds) -> str:
    ordered = sorted(seconds.items(), key=lambda row: row[1])
    return ", ".join(f"{name} {format_duration(spent)}" for name, spent in ordered)


def _key(source: Source, target: Target, names: Sequence[str]) -> str:
    engines = ",".join(f"{name}={known(name).engine.version()}" for name in names)
    return f"{source.digest} {target.device} {target.precision} {target.threads} {engines}"


def _remembered(key: str, names: Sequence[str]) -> Seconds | None:
    row = _read().get(key)
    if not isinstance(row, dict) or not row or not set(row) <= set(names):
        return None
    return row if all(isinstance(value, float) for value in row.values()) else None


def _remember(key: str, seconds: Seconds) -> None:
    """Written whole and moved into place; a folder that cannot be written only costs the next process a timing."""
    rows = {**_read(), key: dict(seconds)}
    rows = dict(list(rows.items())[-_REMEMBERED:])
    try:
        file = memory_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix="engines-")
        with os.fdopen(handle, "w") as stream:
            json.dump({"engines": rows}, stream, indent=1)
        Path(name).replace(file)
    except (OSError, UnavailableError):
        return


def _read() -> dict[str, Any]:
    """What was remembered; nothing, where the file is missing or damaged."""
    try:
        found = json.loads(memory_file().read_text())
    except (OSError, ValueError, RecursionError, UnavailableError):
        return {}
    rows = found.get("engines") if isinstance(found, dict) else None
    return rows if isinstance(rows, dict) else {}
