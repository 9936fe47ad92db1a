"""From a pipeline's document to its nodes: sources and sinks by type, functions by module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from weft.core.protocols import Handler
from weft.flow.function_nodes import function_node
from weft.flow.pipeline import Pipeline
from weft.flow.sink_nodes import sink_node
from weft.flow.site_nodes import from_site, site_of, to_site
from weft.flow.source_nodes import source_node

if TYPE_CHECKING:
    from weft.spec.pipeline import PipelineSpec
    from weft.wasm.trace import HostTrace


def build(spec: PipelineSpec, trace: HostTrace | None = None) -> Pipeline:
    """The pipeline a document describes; ``trace`` is told its functions' calls of the host.

    Nothing is opened or loaded until it runs.

    Raises UsageError for a type of source or sink nobody has.
    """
    site = site_of(spec)
    return Pipeline(
        sources=[*(source_node(spec, name, site) for name in spec.sources), *from_site(spec, site)],
        functions=[function_node(spec, name, trace) for name in spec.functions],
        sinks=[*(sink_node(spec, name, site) for name in spec.sinks), *to_site(spec, site)],
        name=spec.name,
        site=site,
    )


def open_function(spec: PipelineSpec, name: str) -> Callable[[], Handler]:
    """What opens one function of a document, read anew from its files: for :meth:`weft.flow.executor.Run.swap`."""
    return function_node(spec, name, None).open
