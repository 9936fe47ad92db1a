"""Where references become paths: what runs, loads and watches files knows nothing of registries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core.remote import chosen_bring, is_remote

if TYPE_CHECKING:
    from weft.spec.classify import ClassifierSpec
    from weft.spec.function import FunctionSpec
    from weft.spec.pipeline import PipelineSpec


def local_path(written: str, folder: Path = Path()) -> Path:
    """A path as it is written, relative to ``folder``; for a reference, the file it names, brought if need be.

    Raises as :func:`weft.artifacts.local.local_path`.
    """
    if not is_remote(written):
        return folder / written
    if (bring := chosen_bring()) is not None:
        return bring(written)
    from weft.artifacts.local import local_path as by_itself  # httpx, which takes a while

    return by_itself(written)


def local_pipeline(spec: PipelineSpec) -> PipelineSpec:
    """A pipeline whose modules and models are files of this machine. Raises as :func:`local_path`."""
    functions = {name: _function(function) for name, function in spec.functions.items()}
    return spec.model_copy(update={"functions": functions})


def local_classifier(spec: ClassifierSpec) -> ClassifierSpec:
    """A classifier whose model and labels are files of this machine. Raises as :func:`local_path`."""
    made: dict[str, Any] = {"model": _model(spec.model)}
    label = spec.output.label
    if label is not None and label.path is not None and is_remote(label.path):
        here = label.model_copy(update={"path": str(local_path(label.path))})
        made["output"] = spec.output.model_copy(update={"label": here})
    return spec.model_copy(update=made)


def _function(function: FunctionSpec) -> FunctionSpec:
    made: dict[str, Any] = {"models": {name: _model(use) for name, use in function.models.items()}}
    if is_remote(function.file):
        made[function.form] = str(local_path(function.file))
    made["config"] = {key: _config(value) for key, value in function.config.items()}
    return function.model_copy(update=made)


def _model(use: Any) -> Any:
    return use.model_copy(update={"path": str(local_path(use.path))}) if is_remote(use.path) else use


def _config(value: str) -> str:
    """``@`` and a reference stand for a file's text, as ``@`` and a path do."""
    remote = value.startswith("@") and is_remote(value[1:])
    return f"@{local_path(value[1:]).absolute()}" if remote else value
