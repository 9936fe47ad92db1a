"""What may change in a pipeline's document while it runs: functions, but not how frames flow."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from weft.spec.pipeline import PipelineSpec

FLOW = ("inputs", "outputs", "replicas", "queue", "on_error")
"""What a function's place in the pipeline is; all else is the function."""


def same_shape(one: PipelineSpec, other: PipelineSpec) -> bool:
    """True when frames flow in the same way: same sources and sinks, same functions in the same places."""
    return _shape(one) == _shape(other)


def changed_functions(old: PipelineSpec, new: PipelineSpec) -> AbstractSet[str]:
    """The functions that two documents of one shape say different things of."""
    return {name for name in new.functions if new.functions[name] != old.functions[name]}


def _shape(spec: PipelineSpec) -> object:
    places = {name: [getattr(function, key) for key in FLOW] for name, function in spec.functions.items()}
    return spec.name, spec.sources, spec.sinks, places
