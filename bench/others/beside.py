"""The other servers beside Weft: which of them can be run here, and how each is asked."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import load

PYTHON = "WEFT_BENCH_PYTHON"
"""Names the interpreters that have the other servers, separated by colons: some cannot be installed together."""

_START_S = 60.0
_ROOT = Path(__file__).parents[2]
_BOUNDARY = "part-of-the-form"

Ask = Callable[[str, bytes], bytes]
"""The request for ``tensor`` or ``picture`` with these bytes."""


@dataclass(frozen=True, slots=True)
class Other:
    """One of them: its module in :mod:`bench.others`, what it needs, its health page, and its requests."""

    needs: str
    module: str
    health: str
    ask: Ask


def _plain(what: str, body: bytes) -> bytes:
    return load.post(f"/{what}", body)


def _form(what: str, body: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="content"\r\n\r\n'
    whole = head.encode() + body + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return load.post(f"/{what}", whole, f"multipart/form-data; boundary={_BOUNDARY}")


def _base64(what: str, body: bytes) -> bytes:
    given = {"name": what, "shape": [1, 1], "datatype": "BYTES", "parameters": {"content_type": "base64"}}
    document = {"inputs": [{**given, "data": [base64.b64encode(body).decode()]}]}
    return load.post("/v2/models/mobilenet/infer", json.dumps(document).encode(), "application/json")


OTHERS: Mapping[str, Other] = {
    "FastAPI": Other("fastapi, uvicorn", "fastapi_server", "/health", _plain),
    "LitServe": Other("litserve, multipart", "litserve_server", "/health", _form),
    "MLServer": Other("mlserver", "mlserver_server", "/v2/models/mobilenet/ready", _base64),
}


@contextmanager
def running(model: Path, labels: Path, threads: int) -> Iterator[dict[str, int]]:
    """The ports of those that can be run here, by name, ready for as long as the block runs."""
    with ExitStack() as stack:
        found = {name: interpreter for name, other in OTHERS.items() if (interpreter := _interpreter(other))}
        ports = {name: _free_port() for name in found}
        for name, interpreter in found.items():
            words = [str(ports[name]), str(model), str(labels), str(threads)]
            stack.enter_context(_process([interpreter, "-m", f"bench.others.{OTHERS[name].module}", *words]))
        for name, port in ports.items():
            _wait(f"http://127.0.0.1:{port}{OTHERS[name].health}", name)
        yield ports


def left_out(ports: Mapping[str, int]) -> str:
    """Which are not run, and why, in words; empty where all are."""
    names = [name for name in OTHERS if name not in ports]
    return f"{' and '.join(names)}: not in {PYTHON}" if names else ""


def say_left_out(ports: Mapping[str, int]) -> None:
    """The same on standard error before anything is measured, with what each needs."""
    for name, other in OTHERS.items():
        if name not in ports:
            words = f"left out: {name} (needs {other.needs}, onnxruntime and PIL): no interpreter in {PYTHON} has them"
            print(f"{words}; CONTRIBUTING.md says how to get them", file=sys.stderr, flush=True)


def _interpreter(other: Other) -> str:
    """The first of the interpreters that has what a server needs; empty where none has."""
    needed = f"import {other.needs}, numpy, onnxruntime, PIL"
    named = filter(None, os.environ.get(PYTHON, "").split(":"))
    return next((python for python in named if _runs([python, "-c", needed])), "")


def _runs(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@contextmanager
def _process(command: Sequence[str]) -> Iterator[None]:
    """In a session and a folder of its own: some leave their workers behind."""
    with TemporaryDirectory() as folder:  # some leave files where they are started
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def _wait(url: str, name: str) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"{name} was not ready after {_START_S:g} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
