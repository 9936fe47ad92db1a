"""A second copy of a model, with one thread for each inference, that runs where requests fill the cores by themselves.

An inference with all cores has its answer soonest, but two cores do not run it twice as fast: where as many requests
run as there are cores, one thread for each does more. onnxruntime fixes a copy's threads when it is loaded, so that
both needs two copies. Their weights are not shared: it reorders them for itself when it loads them.
"""

from __future__ import annotations

from dataclasses import replace

from weft.core.errors import ModelError
from weft.core.model import Model, ModelProvider
from weft.nn.backend import usable_cores
from weft.serve.models.spec import ModelSpec

LEAST_BYTES = 2**20
"""Smaller models take too little time for it to matter."""


def twin_of(model: Model, spec: ModelSpec, provider: ModelProvider, *, budget: bool) -> Model | None:
    """The copy, where it does any good: not beside a number of threads that was asked for, nor in a budget of memory.

    Raises what loading raises.
    """
    if budget or not _gains(model, spec):
        return None
    options = replace(spec.options, engine=model.info.engine, threads=1)
    twin = provider.load(spec.path, options)
    if twin.info.digest != model.info.digest:
        what = "changed while it was loaded"
        raise ModelError(what, where=model.info.name, cure="load it again when it is written")
    return twin


def _gains(model: Model, spec: ModelSpec) -> bool:
    info, cores = model.info, usable_cores()
    many = 1 < cores <= (spec.instances or cores)
    shares_cores = info.engine == "onnxruntime" and info.device == "cpu" and not spec.options.threads
    return many and shares_cores and LEAST_BYTES <= info.size < spec.twin_below
