"""``weft model show``: what a model takes and gives, and what can run it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from weft.cli import options
from weft.cli.bringing import BringOptions, Switch, bringing
from weft.core.errors import UsageError
from weft.core.remote import is_remote


def show(
    model: str,
    /,
    *,
    engine: str | None = None,
    device: str = "cpu",
    precision: str = "f32",
    threads: int = 0,
    network: BringOptions = BringOptions(),
    json: Switch = False,
) -> int:
    """Show a model: its inputs and outputs, size and format, and the engine and device that run it.

        weft model show mobilenetv2.onnx
        weft model show mobilenetv2.onnx --engine auto
        weft model show registry.example/ml/mobilenet:2

    Parameters
    ----------
    model
        An ONNX, TFLite, OpenVINO IR or TensorFlow file, a SavedModel folder, or the reference of a model, with or
        without oci://.
    engine
        onnxruntime, litert, openvino, or auto to time them once on the model's own inputs.
    device
        cpu, cuda, cuda:1, gpu … as the engine names it.
    precision
        f32, bf16 or f16.
    threads
        Threads of one inference; 0 is one per core.
    json
        Print it as JSON.
    """
    from weft.cli.output import print_fields, print_json
    from weft.core.model import ModelOptions
    from weft.flow.functions import models
    from weft.nn.describe import describe

    with bringing(network):
        path = options.existing(_meant(model), "model")
    found = describe(path, models(), ModelOptions(engine, device, precision, threads))
    if json:
        print_json(found)
    else:
        print_fields(model, _fields(found))
    return 0


def _meant(model: str) -> str:
    """A bare name of a registry, as ``weft model push`` takes it, becomes a reference; a path that is there stays."""
    from weft.artifacts.reference import parse_oci

    if is_remote(model) or os.path.lexists(model):
        return model
    try:
        return str(parse_oci(model))
    except UsageError:
        return model  # then it is a path, and who looks for it tells what is wrong with it


def _fields(found: Mapping[str, Any]) -> dict[str, object]:
    from weft.core.units import format_size

    return {
        "format": found["format"],
        "size": format_size(found["size"]),
        "digest": found["digest"],
        "inputs": [_port(port) for port in found["inputs"]],
        "outputs": [_port(port) for port in found["outputs"]],
        "engine": f"{found['engine']} {found['engine_version']}",
        "device": found["device"],
        "precision": found["precision"],
        "threads": found["threads"],
        "notes": [f"{name}: {text}" for name, text in found["notes"].items()],
        "readable by": [_engine(row) for row in found["engines"]],
    }


def _port(port: Mapping[str, Any]) -> str:
    shape = port["shape"]
    dims = "…" if shape is None else ", ".join("?" if dim is None else str(dim) for dim in shape)
    return f"{port['name']}: {port['dtype']}[{dims}]"


def _engine(row: Mapping[str, Any]) -> str:
    return f"{row['name']} {row['version']}" if row["installed"] else f"{row['name']} (not installed: {row['install']})"
