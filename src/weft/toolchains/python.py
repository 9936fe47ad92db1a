"""Python, as a component, by ``componentize-py``."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from weft.core.errors import InputError
from weft.toolchains import componentize
from weft.toolchains.base import Job, Language, Tool
from weft.toolchains.python_source import PythonSource, read_source


class Python(Language):
    """Python without packages of other languages: a component with the interpreter in it."""

    name = "python"
    title = "Python"
    source = "function.py"
    binding = ()

    def find(self, folder: Path) -> Tool:
        """``componentize-py`` of this environment, or on PATH. Raises UnavailableError."""
        return componentize.find_componentize(self.title)

    def commands(self, job: Job, tool: Tool) -> Sequence[Sequence[str]]:
        """One call; the debugger's build is the same. Raises InputError for what is no Python, or imports nothing."""
        source = read_source(job.function.folder / job.function.source)
        _check(source, job)
        call = componentize.app(job.scratch, tool, source.imports, source.files)
        return [[*call, *job.function.flags, "-o", str(job.output)]]


def _check(source: PythonSource, job: Job) -> None:
    """Raise InputError for an import of what will not be there: componentize-py takes long to find out."""
    for found in source.foreign:
        name = found.name.partition(".")[0]
        if found.optional or name in sys.stdlib_module_names or any(_holds(place, name) for place in _places(job)):
            continue
        raise InputError(
            f"does not compile:\n{found.file}:{found.line}: {found.name} is not there",
            where=str(job.function.folder / job.function.source),
            cure=f"`weft run {job.function.source}` has numpy, Pillow and SciPy; for pure Python: "
            f'pip install --target vendor {name}, and flags = ["-p", "vendor"] in function.toml',
        )


def _places(job: Job) -> Iterator[Path]:
    """The folders that flags add."""
    flags = job.function.flags
    for flag, value in itertools.pairwise(flags):
        if flag in {"-p", "--python-path"}:
            yield job.function.folder / value


def _holds(place: Path, name: str) -> bool:
    return (place / name).is_dir() or any(place.glob(f"{name}.*"))
