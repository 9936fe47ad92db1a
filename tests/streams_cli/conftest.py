"""A real router in a process of its own, and commands that meet there, each in its own process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

WAIT_S = 40

Weft = Callable[..., "subprocess.Popen[str]"]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "weft", *map(str, words)]


def environment(config: Path, **others: str) -> dict[str, str]:
    own = {"WEFT_CONFIG": str(config), "WEFT_CACHE": str(config / "cache"), "WEFT_STATE": str(config / "state")}
    kept = {name: value for name, value in os.environ.items() if name not in ("WEFT_CERT", "WEFT_CONNECT")}
    return {**kept, **own, **others}


def line_with(stream: IO[str] | None, text: str) -> str:
    """The next line that holds a text; the process must say it before it ends."""
    assert stream is not None
    read = []
    for line in stream:
        read.append(line)
        if text in line:
            return line
    raise AssertionError(f"no '{text}' in {read}")


def lines_with(stream: IO[str] | None, *texts: str) -> None:
    """Reads until every text was in some line, in whatever order the process says them."""
    assert stream is not None
    missing, read = set(texts), []
    for line in stream:
        read.append(line)
        missing -= {text for text in missing if text in line}
        if not missing:
            return
    raise AssertionError(f"no {missing} in {read}")


@dataclass(frozen=True, slots=True)
class Site:
    """A router that runs, as its user sees it."""

    endpoint: str
    config: Path
    process: subprocess.Popen[str]
    said: str

    def run(self, *words: object, code: int = 0, stdin: str = "", **env: str) -> tuple[str, str]:
        """Run a command to its end: standard output and standard error."""
        done = subprocess.run(
            command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            env=self.env(**env),
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout, done.stderr

    def env(self, **others: str) -> dict[str, str]:
        return environment(self.config, WEFT_CONNECT=self.endpoint, **others)


def start_router(config: Path, *words: object) -> Site:
    process = subprocess.Popen(
        command("router", "--listen", "quic/127.0.0.1:0", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(config),
    )
    said = line_with(process.stdout, "listening") + line_with(process.stdout, "authority")
    found = re.search(r"quic/127\.0\.0\.1:(\d+)", said)
    assert found
    return Site(f"quic/localhost:{found[1]}", config, process, said)


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> int:
    """Ask it to end; its exit code."""
    process.send_signal(number)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.read()
            stream.close()
    return process.wait(WAIT_S)


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    router = start_router(tmp_path_factory.mktemp("config"))
    yield router
    assert end(router.process) == 130


@pytest.fixture
def start(site: Site) -> Iterator[Weft]:
    """Start a command that goes on; what still runs in the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(*words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=site.env()
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
