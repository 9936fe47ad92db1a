"""The code on the pages about serving is run, against what the pages say to start."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.serve.conftest import Serve
from weft.cli.main import make_app
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("serve.md", "open-inference-protocol.md")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def server(serve: Serve, data: Path) -> Server:
    mobilenet = ModelSpec(data / "models/mobilenetv2.onnx", labels=data / "labels/imagenet_1000.txt")
    return serve({"mobilenet": mobilenet, "identity": data / "models/identity.onnx"})


@pytest.mark.parametrize("index", range(2))
def test_python_that_asks(server: Server, index: int, capsys: pytest.CaptureFixture[str]):
    code = blocks("open-inference-protocol.md", "python")
    assert len(code) == 2
    host, port = server.address
    exec(code[index].replace("localhost:8078", f"{host}:{port}"), {})
    if index == 0:
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        assert all(len(line.split(":")) == 3 for line in lines)


def test_python_that_serves(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(data / "models/mobilenetv2.onnx", "mobilenetv2.onnx")
    shutil.copy(data / "labels/imagenet_1000.txt", "imagenet.txt")
    (code,) = blocks("serve.md", "python")
    exec(code, {})
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ True\n", capsys.readouterr().out)


def test_curl(server: Server):
    if not shutil.which("curl"):
        missing("curl", "install it")
    host, port = server.address
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines() if "curl" in line]
    assert len(lines) == 6
    answers = []
    for line in lines:
        words = shlex.split(
            line.replace("localhost:8078", f"{host}:{port}").replace("models/net/", "models/mobilenet/")
        )
        done = subprocess.run([*words, "--silent", "--fail"], capture_output=True, check=False)
        assert done.returncode == 0, line
        answers.append(done.stdout)
    (shown,) = blocks("open-inference-protocol.md", "json")
    assert json.loads(answers[-1]) == json.loads(shown)


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_commands(page: str, tiny: Callable[..., Path]):
    app = make_app("serve")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("weft serve")]
    assert lines
    for line in lines:
        app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
