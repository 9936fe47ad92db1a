"""From a loaded model to a lane that is warm."""

from __future__ import annotations

import logging
from dataclasses import replace

from weft.core.clock import monotonic
from weft.core.errors import ModelError, TensorError
from weft.core.model import Model, Port
from weft.core.tensor import Tensor
from weft.nn.auto import made_up
from weft.nn.backend import usable_cores
from weft.serve.models.batch import has_batch_dimension
from weft.serve.models.job import LaneSettings
from weft.serve.models.lane import QUICK_S, Lane
from weft.serve.models.version import Version

log = logging.getLogger("weft.serve")

_TIMED = 9


def open_lane(version: Version, model: Model, twin: Model | None = None) -> Lane:
    """The lane of a version's model and its twin, warm."""
    spec = version.spec
    rows = _largest_batch(version, model)
    quick = spec.warm_up and _warm(version, model, rows) and rows == 1
    if twin is not None and spec.warm_up:
        _warm(version, twin, rows)
    settings = LaneSettings(spec.instances or usable_cores(), spec.queue, rows, spec.batch_window_s, quick)
    return Lane(version.name, model, settings, version.counter, twin)


def _largest_batch(version: Version, model: Model) -> int:
    """The largest batch that is asked for, or 1 where the model turns out not to take batches: that is told."""
    rows = version.spec.max_batch
    if rows == 1:
        return 1
    if has_batch_dimension(model.info) and _takes_two(model):
        return rows
    log.warning("model '%s' has no batch dimension: its requests run one by one", version.where)
    return 1


def _takes_two(model: Model) -> bool:
    inputs = {port.name: made_up(_with_rows(port, 2)) for port in model.info.inputs}
    try:
        outputs = model.infer(inputs)
    except (ModelError, TensorError):
        return False
    return all(tensor.shape[:1] == (2,) for tensor in outputs.values())


def _with_rows(port: Port, rows: int) -> Port:
    return replace(port, shape=(rows, *(port.shape or ())[1:]))


def _warm(version: Version, model: Model, rows: int) -> bool:
    """Run on made-up inputs: the first inference allocates. Some models refuse those, and start cold.

    Whether an inference takes so little that it is not worth another thread, whatever its inputs are.
    """
    inputs: dict[str, Tensor] = {port.name: made_up(port) for port in model.info.inputs}
    try:
        model.infer(inputs)
        if rows > 1:
            model.infer({port.name: made_up(_with_rows(port, rows)) for port in model.info.inputs})
        return _fixed(model) and _least_s(model, inputs) < QUICK_S
    except (ModelError, TensorError) as error:
        log.info("model '%s' starts cold: %s", version.where, error.what)
        return False


def _fixed(model: Model) -> bool:
    """Whether all inputs are as large as the model says: then all inferences take alike."""
    return all(port.shape is not None and None not in port.shape for port in model.info.inputs)


def _least_s(model: Model, inputs: dict[str, Tensor]) -> float:
    taken = []
    for _ in range(_TIMED):
        began = monotonic()
        model.infer(inputs)
        taken.append(monotonic() - began)
    return min(taken)
