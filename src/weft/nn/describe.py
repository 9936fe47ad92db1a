"""What ``weft model show`` and ``weft doctor`` print, as plain data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from weft.core.errors import UnavailableError
from weft.core.model import ModelInfo, ModelOptions, ModelProvider, Port
from weft.nn.backend import ENGINES, ORDER, Backend, known, usable_cores
from weft.nn.engine import Engine
from weft.nn.formats import Format


def describe(path: Path, provider: ModelProvider, options: ModelOptions = ModelOptions()) -> dict[str, Any]:
    """A model as plain data: the fields of ModelInfo, ports as dicts, and ``engines`` that read its format.

    Loads the model. Raises what ``ModelProvider.load`` raises.
    """
    return describe_info(provider.load(path, options).info)


def describe_info(info: ModelInfo) -> dict[str, Any]:
    """As ``describe``, of a model that is loaded."""
    ports = {"inputs": list(map(_port, info.inputs)), "outputs": list(map(_port, info.outputs))}
    rest = {name: value for name, value in asdict(info).items() if name not in ports}
    return {**rest, "notes": dict(info.notes), **ports, "engines": reading(info.format)}


def reading(kind: str) -> list[dict[str, Any]]:
    """The engines that read a format, the preferred one first: name, installed, version, install."""
    names = next((row for name, row in ORDER.items() if name == kind), ())
    return [_row(known(name).engine) for name in names]


def engines() -> list[dict[str, Any]]:
    """Every engine: name, installed, version, install, formats, devices, and ``error`` where it does not start.

    Imports those that are installed.
    """
    return [_checked(known(name)) for name in ENGINES]


def order() -> dict[Format, tuple[str, ...]]:
    """The engines of each format, in the order they are taken in."""
    return dict(ORDER)


def threads() -> int:
    """What ``threads: 0`` means here: the cores this process may use."""
    return usable_cores()


def _port(port: Port) -> dict[str, Any]:
    shape = None if port.shape is None else list(port.shape)
    return {"name": port.name, "dtype": port.dtype.name, "shape": shape}


def _row(engine: Engine) -> dict[str, Any]:
    there = engine.installed()
    found = engine.version() if there else ""
    return {"name": engine.name, "installed": there, "version": found, "install": engine.install}


def _checked(backend: Backend) -> dict[str, Any]:
    engine = backend.engine
    row = {**_row(engine), "formats": sorted(engine.formats), "devices": [], "precisions": {}, "error": ""}
    if not row["installed"]:
        return row
    try:
        engine.start()
        row["devices"] = list(backend.devices())
        row["precisions"] = {device: list(backend.precisions(device)) for device in backend.devices()}
    except UnavailableError as error:
        row["error"] = error.what
    return row
