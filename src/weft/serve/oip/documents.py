"""The protocol's documents as plain data, in the words Triton uses; for REST as they are, for gRPC to be copied."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weft import __version__
from weft.core.model import Port
from weft.serve.models.batch import has_batch_dimension
from weft.serve.models.counts import Counts, Span
from weft.serve.models.version import Version

Document = dict[str, Any]

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "statistics",
    "logging",
    "trace",
)
_PLATFORMS = {
    "onnx": "onnxruntime_onnx",
    "tflite": "litert_tflite",
    "tensorflow": "tensorflow_graphdef",
    "savedmodel": "tensorflow_savedmodel",
    "openvino": "openvino_ir",
}


def server_metadata() -> Document:
    """Name, version and extensions."""
    return {"name": "weft", "version": __version__, "extensions": list(EXTENSIONS)}


def metadata(version: Version, numbers: Iterable[str]) -> Document:
    """A model's inputs and outputs; ``numbers`` are its versions. Raises UnavailableError while nothing is known."""
    info = version.described()
    return {
        "name": version.name,
        "versions": list(numbers),
        "platform": _PLATFORMS[info.format],
        "inputs": [_port(port) for port in info.inputs],
        "outputs": [_port(port) for port in info.outputs],
    }


def config(version: Version) -> Document:
    """How a model is served, in the words of Triton's model configuration. Raises UnavailableError."""
    info, spec = version.described(), version.spec
    rows = version.lane.settings.max_batch if version.lane else spec.max_batch
    batches = rows > 1 and has_batch_dimension(info)
    skipped = 1 if batches else 0
    instances = version.lane.settings.instances if version.lane else spec.instances
    found: Document = {
        "name": version.name,
        "platform": _PLATFORMS[info.format],
        "backend": info.engine,
        "version_policy": {"all": {}},
        "max_batch_size": rows if batches else 0,
        "input": [_configured(port, skipped) for port in info.inputs],
        "output": [_configured(port, skipped) for port in info.outputs],
        "instance_group": [{"name": version.name, "kind": _kind(info.device), "count": instances}],
        "parameters": {
            "device": {"string_value": info.device},
            "engine_version": {"string_value": info.engine_version},
            "precision": {"string_value": info.precision},
            "threads": {"string_value": str(info.threads)},
            "digest": {"string_value": info.digest},
            "queue": {"string_value": str(spec.queue)},
        },
    }
    if batches:
        delay = int(spec.batch_window_s * 1e6)
        found["dynamic_batching"] = {"preferred_batch_size": [rows], "max_queue_delay_microseconds": delay}
    return found


def index(versions: Iterable[Version]) -> list[Document]:
    """What there is, and in which state; ``reason`` where there is one."""
    return [
        {"name": one.name, "version": one.number, "state": one.state, **({"reason": one.reason} if one.reason else {})}
        for one in versions
    ]


def statistics(versions: Iterable[Version]) -> Document:
    """What was counted of some versions."""
    return {"model_stats": [_statistics(version, version.counter.read()) for version in versions]}


def _statistics(version: Version, counts: Counts) -> Document:
    parts = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    nothing = Span()
    return {
        "name": version.name,
        "version": version.number,
        "last_inference": counts.last_inference_ms,
        "inference_count": counts.inferences,
        "execution_count": counts.executions,
        "inference_stats": {
            **{part: _span(getattr(counts, part)) for part in parts},
            "cache_hit": _span(nothing),
            "cache_miss": _span(nothing),
        },
        "batch_stats": [
            {"batch_size": size, **{part: _span(getattr(batch, part)) for part in parts[3:]}}
            for size, batch in sorted(counts.batches.items())
        ],
        "memory_usage": [],
    }


def _span(span: Span) -> Document:
    return {"count": span.count, "ns": span.ns}


def _port(port: Port) -> Document:
    return {"name": port.name, "datatype": port.dtype.protocol, "shape": _dims(port)}


def _configured(port: Port, skipped: int) -> Document:
    kind = "STRING" if port.dtype.protocol == "BYTES" else port.dtype.protocol
    return {"name": port.name, "data_type": f"TYPE_{kind}", "dims": _dims(port)[skipped:]}


def _dims(port: Port) -> list[int]:
    """-1 for a dimension that is open; one of them where not even their number is known."""
    return [-1] if port.shape is None else [-1 if dim is None else dim for dim in port.shape]


def _kind(device: str) -> str:
    return "KIND_CPU" if device == "cpu" else "KIND_GPU"
