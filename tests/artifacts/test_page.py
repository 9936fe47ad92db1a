"""What ``docs/artifacts.md`` tells to type works against a real registry."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.artifacts.conftest import PASSWORD, USER, Served
from tests.artifacts.front import Front, front
from tests.artifacts.test_origins import LARGE, Hub
from tests.cli.conftest import Cli
from weft.artifacts.store import SIZE
from weft.artifacts.unpack import Bounds
from weft.artifacts.upkeep import GRACE_S
from weft.cli.main import make_app
from weft.core.resources import guest
from weft.core.units import parse_size

PAGE = (Path(__file__).parents[2] / "docs" / "artifacts.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


LINES = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("weft ")]


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_page_is_one(line: str) -> None:
    words = shlex.split(line.partition(" < ")[0])[1:]
    command, bound, _ = make_app(words[0]).parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound is not None


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    with front("127.0.0.1:1", Hub()) as made:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{made.host}")
        yield made


def test_the_commands_work_one_after_the_other(
    weft: Cli, closed_registry: Served, hub: Front, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    for name, value in (("", closed_registry.host), ("_USER", USER), ("_PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"WEFT_REGISTRY{name}", value)
    (tmp_path / "classify.wasm").write_bytes(guest("classify").read_bytes())
    (tmp_path / "mobilenetv2.onnx").write_bytes((data / "models" / "mobilenetv2.onnx").read_bytes())
    (tmp_path / "imagenet.txt").write_text("tench\n")
    picture = next(path for path in sorted(data.rglob("*.jpg")) if "cat" in path.name.lower()).read_bytes()
    here = re.compile(r"registry\.example|localhost:5000")
    for written in LINES:
        line = here.sub(closed_registry.host, written).replace("hf:org/repo/model.onnx", "hf:org/repo/net.onnx")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture)))
        done = weft(*shlex.split(line.partition(" < ")[0])[1:])
        assert done.code == 0, (line, done.err)
    assert hub.asked
    assert LARGE


def test_the_figures_of_the_page_are_the_codes() -> None:
    sizes = re.findall(r"holds (\d+ GiB)", PAGE)
    assert [parse_size(size) for size in sizes] == [SIZE]
    assert f"no more than {Bounds().ratio} times their size" in PAGE
    assert GRACE_S == 3600
    assert "older than an hour" in PAGE


@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_is_python(block: str) -> None:
    compile(block, "docs/artifacts.md", "exec")


def test_the_python_runs(registry: Served, weft: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "net.onnx").write_bytes(b"net")
    weft("model", "push", tmp_path / "net.onnx", f"{registry.host}/ml/mobilenet:2")
    exec(blocks("python")[1].replace("registry.example", registry.host), {})
    assert "model sha256:" in capfd.readouterr().out
