"""HTTP requests as they are granted on the command line, and in a pipeline's document."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Done
from tests.component.http_guests import request
from tests.http_server import Server
from weft import Pipeline
from weft.core.errors import DeniedError, DocumentError

Wat = Callable[..., Path]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def asks(server: Server, wat: Wat) -> Path:
    """A component that makes a request to the server."""
    return wat(request(f"127.0.0.1:{server.port}", "/missing"), "asks.wat")


def process(*words: object) -> Done:
    """A run in a process of its own; what a component prints here is no text."""
    command = [sys.executable, "-m", "weft", *map(str, words)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    return Done(done.returncode, done.stdout.decode("latin-1"), done.stderr.decode())


def test_a_granted_host(server: Server, asks: Path) -> None:
    done = process("run", asks, "--http", "example.org", "--http", f"127.0.0.1:{server.port}")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("s")
    assert server.requests[0][1] == "/missing"


def test_without_a_grant_it_is_refused_in_one_line_with_the_flag(asks: Path, weft: Cli) -> None:
    done = weft("run", asks)
    assert done.code == 77
    assert "imports wasi:http/outgoing-handler@0.2.0, and no host was granted to it" in done.err
    assert "--http HOST" in done.err


def test_another_host_is_told_with_the_cure(server: Server, asks: Path) -> None:
    done = process("run", asks, "--http", "example.org")
    assert f"no request to 127.0.0.1:{server.port} was granted" in done.err
    assert f"--http 127.0.0.1:{server.port}" in done.err
    assert server.requests == []


def test_the_size_of_responses_is_a_limit(server: Server, wat: Wat) -> None:
    local = f"127.0.0.1:{server.port}"
    done = process("run", wat(request(local, "/large")), "--http", local, "--limit", "http=64KiB")
    assert done.code == 70
    assert "limits.http" in done.err


@pytest.mark.parametrize("host", ["https://example.org", "*", "example.org:0", ""])
def test_what_is_no_host_is_told(asks: Path, weft: Cli, host: str) -> None:
    done = weft("run", asks, f"--http={host}")
    assert done.code == 64
    assert "write HOST[:PORT]" in done.err or "*.example.org" in done.err


def test_inspect_lists_it(asks: Path, weft: Cli) -> None:
    assert "requests to hosts: --http HOST" in weft("inspect", asks).out


# --- pipelines ---------------------------------------------------------------------------


@pytest.fixture
def document(tmp_path: Path, asks: Path) -> Callable[[str], Path]:
    """``document("http: [HOST]")`` is a pipeline of the component, with this grant."""

    def write(grants: str) -> Path:
        (tmp_path / "lines.txt").write_text("a\nb\nc\n")
        path = tmp_path / "pipeline.yaml"
        path.write_text(f"""
sources:
  lines: {{type: lines, path: lines.txt}}
functions:
  asks: {{wasm: {asks}, inputs: [lines], grants: {{{grants}}}, limits: {{http: 1MiB}}}}
sinks:
  out: {{type: jsonl, path: out.jsonl, inputs: [asks]}}
""")
        return path

    return write


def test_a_pipeline_grants_hosts_and_counts_requests(
    server: Server, document: Callable[[str], Path], tmp_path: Path
) -> None:
    stage = Pipeline.load(document(f"http: ['127.0.0.1:{server.port}']")).run().stage("asks")
    assert (stage.frames_out, stage.failed) == (3, 0)
    assert stage.counters["http_requests"] == len(server.requests) == 3
    assert stage.counters["http_received"] > 0
    assert len([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]) == 3


def test_a_pipeline_counts_what_it_denied(server: Server, document: Callable[[str], Path]) -> None:
    stage = Pipeline.load(document("http: [example.org]")).run().stage("asks")
    assert stage.counters == {"http_requests": 0, "http_denied": 3, "http_failed": 0, "http_received": 0}
    assert server.requests == []


def test_a_pipeline_without_the_grant_does_not_start(document: Callable[[str], Path]) -> None:
    with pytest.raises(DeniedError, match="no host was granted"):
        Pipeline.load(document("")).run()


def test_a_documents_mistake_is_told_with_its_place(document: Callable[[str], Path]) -> None:
    with pytest.raises(DocumentError, match=r"functions\.asks\.grants\.http\[0\].*is a URL.*write HOST"):
        Pipeline.load(document("http: ['https://example.org']"))
