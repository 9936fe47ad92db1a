"""A real registry, with and without passwords, and stores of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import ECHO, weft, weft_process  # noqa: F401 - fixtures, also of this folder
from tests.conftest import missing
from weft.artifacts.reference import OciReference, parse_oci
from weft.artifacts.settings import Retry, Settings
from weft.artifacts.store import Store

USER, PASSWORD = "weft", "s3cret-pass"
_HTPASSWD = f"{USER}:$2b$04$Djcup2YpcnQdoJpqT4UATe/AfccUdUKl2P9W400DYCTqy0k36y2NS\n"
"""The password's bcrypt, at its lowest cost."""

FAST = Settings(check=None, offline=False, retry=Retry(attempts=4, first_s=0.01, most_s=0.02), patience_s=10.0)
"""As by default, but without the long pauses."""

Core = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Served:
    """A registry that runs: where, and where its blobs are on the disk."""

    host: str
    folder: Path

    def name(self, rest: str) -> OciReference:
        """The reference of something in it."""
        return parse_oci(f"{self.host}/{rest}")

    def blob(self, digest: str) -> Path:
        """The file of a blob, to be tampered with."""
        plain = digest.removeprefix("sha256:")
        return self.folder / "docker/registry/v2/blobs/sha256" / plain[:2] / plain / "data"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Debian's docker-registry, open to everybody."""
    yield from serve(tmp_path_factory.mktemp("registry"), {})


@pytest.fixture(scope="session")
def closed_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, for ``USER`` with ``PASSWORD`` alone."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "htpasswd").write_text(_HTPASSWD)
    settings = {"REGISTRY_AUTH_HTPASSWD_REALM": "weft", "REGISTRY_AUTH_HTPASSWD_PATH": str(folder / "htpasswd")}
    yield from serve(folder, settings)


def serve(folder: Path, settings: dict[str, str]) -> Iterator[Served]:
    """A registry on a free port until the generator goes on."""
    program = shutil.which("docker-registry")
    if program is None:
        missing("docker-registry", "apt-get install docker-registry, or python -m tools.languages")
        return
    config = folder / "config.yml"
    config.write_text("version: 0.1\nstorage: {delete: {enabled: true}}\nhttp: {addr: '127.0.0.1:0'}\n")
    env = {**os.environ, **settings, "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(folder / "storage")}
    env |= {"REGISTRY_LOG_ACCESSLOG_DISABLED": "true"}
    with subprocess.Popen([program, "serve", str(config)], env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Served(f"127.0.0.1:{_port(process)}", folder / "storage")
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str]) -> str:
    """The port it says that it listens on. What it says later is read, too, so that it never waits."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if match := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return match[1]
    raise AssertionError("".join(said))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that nobody else has."""
    return Store(tmp_path / "store").prepare()


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """A second one, as on another machine."""
    return Store(tmp_path / "other").prepare()


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test knows this user's passwords or tokens, or is offline because the user is."""
    for name in ("WEFT_REGISTRY", "WEFT_REGISTRY_USER", "WEFT_REGISTRY_PASSWORD", "DOCKER_AUTH_CONFIG", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REGISTRY_AUTH_FILE", "HF_ENDPOINT", "WEFT_OFFLINE", "WEFT_CACHE_SIZE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WEFT_POLICY", "WEFT_KEY_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A small core module."""
    path = tmp_path / "tiny.wasm"
    path.write_bytes(b"\0asm\x01\0\0\0" + b"\0\x05\x04name")
    return path


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A function that emits its frame as text."""
    import wasmtime

    path = tmp_path / "echo.wasm"
    path.write_bytes(wasmtime.wat2wasm(ECHO))
    return path


def tool(name: str, package: str) -> str:
    """A program that tests need."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]]))
    if found is None:
        missing(name, f"apt-get install {package}, or python -m tools.languages")
    return str(found)
