"""What is developed: a function's folder, a pipeline, or one function with a test pattern before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core.errors import NotFoundError, UsageError
from weft.core.suggest import meant_file
from weft.toolchains.manifest import FILE, read_manifest

if TYPE_CHECKING:
    from weft.spec.endpoints import Source
    from weft.spec.pipeline import PipelineSpec

DOCUMENT = "pipeline.yaml"
DOCUMENTS = {".yaml", ".yml"}
FORMS = {".py": "python", ".wasm": "wasm", ".wat": "wasm", ".cwasm": "wasm"}
PATTERN = {"type": "pattern", "size": "320x240", "fps": 5, "realtime": True}


@dataclass(frozen=True, slots=True)
class Target:
    """A pipeline to be developed.

    Attributes:
        document: its file; None for one that is made up around a function.
        made: the one that is made up.
        folder: what file names are relative to.
    """

    document: Path | None
    made: Mapping[str, Any]
    folder: Path

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return str(self.document or self.made["name"])

    def read(self, *, check_files: bool = True) -> PipelineSpec:
        """The pipeline as it is now; test patterns go on for ever. Raises as ``weft.spec.pipeline.load_pipeline``."""
        from weft.flow.remote import local_pipeline
        from weft.spec.pipeline import load_pipeline, pipeline_from

        if self.document is not None:
            spec = load_pipeline(self.document, check_files=check_files)
        else:
            spec = pipeline_from(self.made, folder=self.folder, check_files=check_files)
        spec = local_pipeline(spec)
        sources = {name: endless(source) for name, source in spec.sources.items()}
        return spec.model_copy(update={"sources": sources})


def endless(source: Source) -> Source:
    """A test pattern keeps coming, in its own time; any other source stays as it is."""
    from weft.spec.endpoints import PatternSource

    if isinstance(source, PatternSource):
        return source.model_copy(update={"frames": None, "realtime": True})
    return source


def target_of(path: Path, pipeline: Path | None = None) -> Target:
    """What to develop for a path: a folder that ``weft new`` made, a pipeline's document, or one function's file.

    ``pipeline`` is another document for a folder than the one in it. Raises NotFoundError, UsageError and
    DocumentError.
    """
    if path.is_dir():
        return _folder(path, pipeline)
    if pipeline is not None:
        raise UsageError("--pipeline goes with a function's folder", where=str(path), cure="give the folder")
    if not path.exists():
        cure = meant_file(path) or "check the path"
        raise NotFoundError("there is no such file or folder", where=str(path), cure=cure)
    if path.suffix in DOCUMENTS and _is_pipeline(path):
        return Target(path, {}, path.parent)
    form = "classify" if path.suffix in DOCUMENTS else FORMS.get(path.suffix)
    if form is None:
        cure = "give a folder of `weft new`, a pipeline's .yaml, a .py, or a .wasm"
        raise UsageError("it is no function", where=str(path), cure=cure)
    return Target(None, _around(path, form), path.parent)


def _folder(path: Path, pipeline: Path | None) -> Target:
    document = pipeline or path / DOCUMENT
    if not document.is_file():
        if not (path / FILE).exists():
            read_manifest(path)  # says what is missing
        cure = "name one with --pipeline FILE"
        raise NotFoundError("there is no pipeline to run the function in", where=str(document), cure=cure)
    return Target(document, {}, document.parent)


def _is_pipeline(path: Path) -> bool:
    from weft.spec.kind import file_kind

    return file_kind(path) == "pipeline"


def _around(path: Path, form: str) -> Mapping[str, Any]:
    """A pipeline with nothing but a test pattern, the function and a screen."""
    name = "".join(c if c.isalnum() else "-" for c in path.stem.lower()).strip("-") or "function"
    before, after = f"{name}-in", f"{name}-out"
    return {
        "name": name,
        "sources": {before: PATTERN},
        "functions": {name: {form: path.name, "inputs": [before]}},
        "sinks": {after: {"type": "console", "inputs": [name]}},
    }
