"""Zig, and C by its compiler: one package has both."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from weft.core.errors import UnavailableError
from weft.toolchains.base import Job, Language, Tool
from weft.toolchains.search import ask, on_path, version_in

OLDEST = (0, 15)
_CPU = "baseline+simd128"
_REACTOR = "-mexec-model=reactor"


class C(Language):
    """C, compiled by ``zig cc`` against its own wasi-libc."""

    name = "c"
    title = "C"
    source = "function.c"
    endings = (".h",)
    binding = ("weft.h", "weft_json.h")
    warnings: ClassVar[tuple[str, ...]] = ("-Wall", "-Wextra")

    def find(self, folder: Path) -> Tool:
        """Zig, whose C compiler it is. Raises UnavailableError."""
        return find_zig(self.title)

    def commands(self, job: Job, tool: Tool) -> Sequence[Sequence[str]]:
        """One call."""
        # Undefined behaviour is not looked for in debug builds: the checks bring half of libc's imports with them.
        how = ("-g", "-O0", "-fno-sanitize=undefined") if job.debug else ("-O2", "-Wl,--strip-all")
        flags = ("--target=wasm32-wasi", _REACTOR, "-msimd128", *how, *self.warnings, "-Iweft", *job.function.flags)
        return [[*tool.words, "cc", *flags, job.function.source, "-o", str(job.output)]]


class Zig(Language):
    """Zig."""

    name = "zig"
    title = "Zig"
    source = "function.zig"
    endings = (".c", ".h")
    binding = ("weft.zig",)

    def find(self, folder: Path) -> Tool:
        """Raises UnavailableError."""
        return find_zig(self.title)

    def commands(self, job: Job, tool: Tool) -> Sequence[Sequence[str]]:
        """One call; ``weft`` is the module in the folder of that name."""
        how = ("-O", "Debug") if job.debug else ("-O", "ReleaseFast", "-fstrip")
        target = ("-target", "wasm32-wasi", "-mcpu", _CPU, _REACTOR, "-fno-entry", "-rdynamic")
        modules = ("--dep", "weft", f"-Mroot={job.function.source}", "-Mweft=weft/weft.zig")
        call = (*tool.words, "build-exe", *target, *how, *job.function.flags, *modules)
        return [[*call, f"-femit-bin={job.output}"]]


def find_zig(wanted: str) -> Tool:
    """The ``ziglang`` package of this environment, or ``zig`` on PATH. Raises UnavailableError."""
    package = [sys.executable, "-m", "ziglang"] if importlib.util.find_spec("ziglang") else []
    candidates = [package, *([path] for path in on_path("zig"))]
    seen = ""
    for words in filter(None, candidates):
        version = ask([*words, "version"])
        if version_in(version) >= OLDEST:
            return Tool(f"zig {version}", tuple(words))
        seen = seen or version
    found = f"Zig {seen} is too old: 0.15 or newer is needed" if seen else "no Zig here, which compiles C and Zig"
    raise UnavailableError(found, where=wanted, cure="pip install ziglang")
