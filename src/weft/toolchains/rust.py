"""Rust, by cargo where it stands beside the compiler, and by rustc alone where a function needs nothing but Weft."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.core.errors import DocumentError, Problem, UnavailableError
from weft.toolchains.base import Job, Language, Tool
from weft.toolchains.search import ask, beside_python, on_path

TARGETS = ("wasm32-wasip1", "wasm32-wasi")
"""One target under its new name and its old."""

_EDITION = "2021"
_SIMD = ("-C", "target-feature=+simd128")


class Rust(Language):
    """Rust, from 1.63 on."""

    name = "rust"
    title = "Rust"
    source = "src/lib.rs"
    endings = (".toml", ".lock")
    binding = ("Cargo.toml", "src/lib.rs", "src/dtype.rs", "src/function.rs", "src/json.rs", "src/nn.rs", "src/raw.rs")

    def find(self, folder: Path) -> Tool:
        """The first rustc that has the WASI target, of this environment or on PATH. Raises UnavailableError."""
        candidates = [path for path in (beside_python("rustc"), *on_path("rustc")) if path]
        for path in candidates:
            for target in TARGETS:
                if _has_library(path, target, folder):
                    cargo = shutil.which("cargo", path=str(Path(path).parent))
                    title = " ".join(ask([path, "--version"], folder=folder).split()[:2])
                    # Cargo would take the first rustc on PATH, which may be another.
                    return Tool(title, (path,), {"RUSTC": path}, target, (cargo,) if cargo else ())
        what = "this Rust has no library for WASI" if candidates else "no Rust here"
        raise UnavailableError(what, where=self.title, cure=_cure())

    def commands(self, job: Job, tool: Tool) -> Sequence[Sequence[str]]:
        """Cargo, or rustc for the binding and for the function."""
        if tool.builder:
            return [_by_cargo(job, tool)]
        return _by_rustc(job, tool, _project(job.function.folder))

    def product(self, job: Job, tool: Tool) -> Path:
        """Cargo names the module after the library, or the package."""
        if not tool.builder:
            return job.output
        project = _project(job.function.folder)
        package = str(project.get("package", {}).get("name", "")).replace("-", "_")
        name = project.get("lib", {}).get("name", package)
        return _target_folder(job) / tool.target / ("debug" if job.debug else "release") / f"{name}.wasm"


def _has_library(rustc: str, target: str, folder: Path) -> bool:
    """rustc knows the target, and its standard library is installed."""
    place = ask([rustc, "--print", "target-libdir", "--target", target], folder=folder)
    return bool(place) and any(Path(place).glob("libstd-*.rlib"))


def _cure() -> str:
    """The install command that fits this machine."""
    if shutil.which("rustup"):
        return "rustup target add wasm32-wasip1"
    if shutil.which("apt-get"):
        return "apt-get install rustc libstd-rust-dev-wasm32 lld"
    return "install Rust from https://rustup.rs, then: rustup target add wasm32-wasip1"


def _project(folder: Path) -> Mapping[str, Any]:
    path = folder / "Cargo.toml"
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise DocumentError([Problem("document", "cannot be read")], where=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DocumentError([Problem("document", f"no TOML: {error}")], where=str(path)) from error


def _target_folder(job: Job) -> Path:
    """Where cargo keeps what it built, for the next time."""
    return job.function.folder.resolve() / "target"


def _by_cargo(job: Job, tool: Tool) -> list[str]:
    how = () if job.debug else ("--release",)
    build = [*tool.builder, "rustc", "--lib", "--quiet", "--target", tool.target, *how]
    return [*build, "--target-dir", str(_target_folder(job)), "--", *_SIMD, *job.function.flags]


def _by_rustc(job: Job, tool: Tool, project: Mapping[str, Any]) -> list[list[str]]:
    if others := sorted(set(project.get("dependencies", {})) - {"weft"}):
        cure = "apt-get install cargo, or what installs it beside this rustc"
        raise UnavailableError(f"cargo is needed for {', '.join(others)}", where=str(job.function.folder), cure=cure)
    how = ("-g",) if job.debug else ("-C", "opt-level=3", "-C", "strip=symbols")
    common = [*tool.words, "--edition", _EDITION, "--target", tool.target, *_SIMD, *how]
    library = job.scratch / "libweft.rlib"
    binding = [*common, "--crate-type", "rlib", "--crate-name", "weft", "weft/src/lib.rs", "-o", str(library)]
    function = [*common, "--crate-type", "cdylib", "--crate-name", "function", "--extern", f"weft={library}"]
    return [binding, [*function, *job.function.flags, job.function.source, "-o", str(job.output)]]
