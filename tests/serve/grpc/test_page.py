"""The page about gRPC: its code runs, its commands are commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.grpc.conftest import Start, target
from weft.cli.main import make_app
from weft.serve.grpc.proto import pool
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

PAGE = (Path(__file__).parents[3] / "docs/grpc.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def server(start: Start, data: Path) -> Server:
    spec = ModelSpec(data / "models/mobilenetv2.onnx", labels=data / "labels/imagenet_1000.txt")
    return start({"mobilenet": spec})


@pytest.mark.parametrize("index", range(3))
def test_its_python(server: Server, index: int, capfd: pytest.CaptureFixture[str]):
    code = blocks("python")
    assert len(code) == 3
    if index == 1:  # event loops of one process share what wakes them
        run_apart(code[index].replace("localhost:8001", target(server)))
        return
    exec(code[index].replace("localhost:8001", target(server)), {})
    if index == 0:
        lines = capfd.readouterr().out.splitlines()
        assert [len(line.split(":")) for line in lines] == [3] * 3


def run_apart(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_its_commands():
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("weft serve")]
    assert lines
    for line in lines:
        make_app("serve").parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


def test_its_methods_are_those_of_the_service():
    for method in pool().FindServiceByName("inference.GRPCInferenceService").methods:
        assert f"`{method.name}`" in PAGE
