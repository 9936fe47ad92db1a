"""Which files a pipeline and its functions are made from, and what is to be done when some of them change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core import resources
from weft.core.errors import WeftError
from weft.toolchains import language
from weft.toolchains.manifest import FILE, Manifest, read_manifest
from weft.toolchains.python_source import read_source

if TYPE_CHECKING:
    from weft.spec.pipeline import PipelineSpec

PASSED_OVER = {"node_modules", "target", "__pycache__", "build", "zig-out"}
"""Folders in which compilers leave their things; so are those whose names begin with a dot."""

MAX_FOLDERS = 1000


@dataclass(frozen=True, slots=True)
class Affected:
    """What a change is about: the pipeline's document, and folders to build."""

    document: bool
    folders: frozenset[Path]


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a pipeline, all paths absolute.

    Attributes:
        document: the pipeline's; None for one that was made up.
        folders: functions that are built, by their folders.
        files: the functions by the files they are read from: modules, models, labels …
    """

    document: Path | None = None
    folders: Mapping[Path, Manifest] = field(default_factory=dict)
    files: Mapping[Path, frozenset[str]] = field(default_factory=dict)

    def affected(self, changed: frozenset[Path]) -> Affected:
        """What these changes are about."""
        folders = [folder for folder in self.folders if any(self._is_source(folder, path) for path in changed)]
        return Affected(self.document in changed, frozenset(folders))

    def makes(self, path: Path) -> bool:
        """Whether something is built from a file, or it is the document."""
        return path == self.document or any(self._is_source(folder, path) for folder in self.folders)

    def functions_at(self, path: Path) -> frozenset[str]:
        """The functions that read a file; a model may be a folder of files."""
        return self.files.get(path) or self.files.get(path.parent, frozenset())

    def watched(self) -> Iterator[Path]:
        """The folders in which something may change."""
        for folder in self.folders:
            yield from _tree(folder)
        for path in (*self.files, *filter(None, [self.document])):
            yield path.parent
            if path.is_dir():
                yield path

    def _is_source(self, folder: Path, path: Path) -> bool:
        if not path.is_relative_to(folder):
            return False
        inner = path.relative_to(folder)
        if path == folder or any(_passed_over(part) for part in inner.parts):
            return False
        return inner == Path(FILE) or path.suffix in _endings(self.folders[folder]) or path.is_dir()


def sources_of(spec: PipelineSpec, document: Path | None) -> Sources:
    """The files of a pipeline. Functions whose module stands in a folder of ``weft new`` are built there."""
    folders: dict[Path, Manifest] = {}
    files: dict[Path, set[str]] = {}
    for name in spec.functions:
        module = absolute(resources.module(spec.functions[name].file, spec.folder))
        if (manifest := _manifest_for(module)) is not None:
            folders[module.parent] = manifest
        for path in (module, *_other_files(spec, name)):
            files.setdefault(path, set()).add(name)
    return Sources(
        None if document is None else absolute(document),
        folders,
        {path: frozenset(names) for path, names in files.items()},
    )


def absolute(path: Path) -> Path:
    """A path as the watch tells it: its folder without links, the file itself as it is named."""
    return path.parent.resolve() / path.name


def _manifest_for(module: Path) -> Manifest | None:
    """The manifest of the folder that makes a module; None for any other module."""
    try:
        manifest = read_manifest(module.parent)
    except WeftError:
        return None
    return manifest if absolute(manifest.module) == module else None


def _other_files(spec: PipelineSpec, name: str) -> Iterator[Path]:
    function = spec.functions[name]
    for model in function.models.values():
        yield from _model_files(absolute(spec.resolve(model.path)))
    for value in function.config.values():
        if value.startswith("@") and not value.startswith("@@"):
            yield absolute(spec.resolve(value[1:]))
    if function.classify:
        yield from _classifier_files(spec.resolve(function.classify))
    if function.python:
        yield from _python_files(spec.resolve(function.python))


def _model_files(path: Path) -> Iterator[Path]:
    yield path
    if path.suffix == ".xml":  # OpenVINO keeps the weights beside it
        yield path.with_suffix(".bin")


def _classifier_files(path: Path) -> Iterator[Path]:
    """The model and labels of a classifier's document; of one that has mistakes, none."""
    from weft.flow.remote import local_classifier
    from weft.spec.classify import read_classifier

    try:
        spec = local_classifier(read_classifier(path))
    except WeftError:
        return
    yield from _model_files(absolute(spec.resolve(spec.model.path)))
    if spec.output.label is not None and spec.output.label.path is not None:
        yield absolute(spec.resolve(spec.output.label.path))


def _python_files(path: Path) -> Iterator[Path]:
    """The modules beside a Python function that it imports; of one that has mistakes, none."""
    try:
        files = read_source(path).files
    except WeftError:
        return
    for name, _ in files:
        yield absolute(path.parent / name)


def _endings(manifest: Manifest) -> frozenset[str]:
    return frozenset({*language(manifest.lang).endings, Path(manifest.source).suffix})


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name in PASSED_OVER


def _tree(folder: Path) -> Iterator[Path]:
    """A folder and those in it, but for the compilers' own; at most ``MAX_FOLDERS``."""
    for place, inner, _ in islice(os.walk(folder), MAX_FOLDERS):
        inner[:] = sorted(name for name in inner if not _passed_over(name))
        yield Path(place)
