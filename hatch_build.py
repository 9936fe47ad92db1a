"""Compiles the C functions of ``guests/`` to WebAssembly, into ``src/weft/guests/``.

hatchling calls this whenever the package is built or installed, editable installs included; ``python hatch_build.py``
does the same by hand. A guest with ``int main(`` becomes a command, every other one a reactor. What is up to date, by
a digest of everything that goes into it, is left alone.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, outside a build
    BuildHookInterface = object

FLAGS = ("--target=wasm32-wasi", "-O3", "-msimd128", "-Wall", "-Wextra", "-Wl,--strip-all", "-Wl,-z,stack-size=262144")
MAIN = re.compile(r"^\s*int\s+main\s*\(", re.MULTILINE)
LONGEST_S = 600


class GuestsBuildHook(BuildHookInterface):
    """Builds the guests before the package's files are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile for wheels, editable ones too; a source distribution carries the C files instead."""
        if self.target_name == "wheel":
            build_guests(Path(self.root))


def build_guests(root: Path) -> list[Path]:
    """Compile what changed; returns the modules built. Exits with the compiler's message when one does not compile."""
    target = root / "src" / "weft" / "guests"
    target.mkdir(exist_ok=True)
    record = target / "built.json"
    built: dict[str, str] = json.loads(record.read_text()) if record.is_file() else {}
    sources = sorted((root / "guests").glob("*.c"))
    headers = sorted((root / "src" / "weft" / "sdk" / "c").glob("*.h"))
    if not sources:
        raise SystemExit(f"there are no guests in {root / 'guests'}: build from a full checkout or source distribution")
    changed = []
    for source in sources:
        module, digest = target / f"{source.stem}.wasm", _digest([source, *headers])
        if built.get(module.name) != digest or not module.is_file():
            _compile(source, module, headers[0].parent if headers else root)
            built[module.name] = digest
            changed.append(module)
    _forget(target, {f"{source.stem}.wasm" for source in sources})
    record.write_text(json.dumps({name: built[name] for name in sorted(built) if (target / name).is_file()}, indent=1))
    return changed


def _digest(files: list[Path]) -> str:
    """Of everything that goes into a module: flags, compiler, this file, the source and the headers."""
    digest = hashlib.sha256(repr((FLAGS, _compiler_version())).encode())
    for file in [Path(__file__), *files]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _compiler_version() -> str:
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit("the C compiler for guests is missing: pip install ziglang") from None


def _compile(source: Path, module: Path, include: Path) -> None:
    model = "command" if MAIN.search(source.read_text()) else "reactor"
    partial = module.with_suffix(".partial")
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, f"-mexec-model={model}", f"-I{include}"]
    command += [str(source), "-o", str(partial)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    if done.returncode:
        raise SystemExit(f"{source.name} does not compile:\n{done.stderr or done.stdout}")
    sys.stderr.write(done.stderr)
    partial.replace(module)


def _forget(target: Path, wanted: set[str]) -> None:
    """Remove the modules of guests that are gone."""
    for module in target.glob("*.wasm"):
        if module.name not in wanted:
            module.unlink()


if __name__ == "__main__":
    for path in build_guests(Path(__file__).parent):
        print(f"built {path.name}, {path.stat().st_size} bytes")
