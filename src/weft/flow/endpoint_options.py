"""What a document says of its sources and sinks, as they take it: paths are relative to the document's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.core.address import camera_address
from weft.core.servers import OWN_FILES
from weft.stream.base import SpoolOptions

if TYPE_CHECKING:
    from weft.spec.delivery import SpoolUse
    from weft.spec.pipeline import PipelineSpec

STANDARD_STREAM = "-"

_PIPELINES = {"type", "stream", "queue", "inputs"}
"""What is the pipeline's business, not the source's or sink's own."""


def endpoint_options(spec: PipelineSpec, written: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a source or sink, its file relative to the document's folder."""
    options = {key: value for key, value in written.items() if key not in _PIPELINES and value is not None}
    path = options.get("path", STANDARD_STREAM)
    if path != STANDARD_STREAM and "://" not in path:
        options["path"] = spec.resolve(path)
    if "device" in options and camera_address(options["device"]).kind == "file":
        options["device"] = spec.resolve(options["device"])
    return options | {name: spec.resolve(options[name]) for name in OWN_FILES if name in options}


def spool_options(spec: PipelineSpec, use: SpoolUse) -> SpoolOptions:
    """How a durable stream is kept, its folder relative to the document's."""
    folder = None if use.path is None else spec.resolve(use.path)
    return SpoolOptions(folder, use.size, use.age, use.full, use.sync)
