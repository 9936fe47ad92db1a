"""The classifier page of the documentation is run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from weft.core.units import parse_duration
from weft.spec.pipeline import parse_pipeline

PAGE = (Path(__file__).parents[2] / "docs" / "classify.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """The files the page speaks of."""
    shutil.copy(data / "models" / "mobilenetv2.onnx", tmp_path)
    shutil.copy(data / "labels" / "imagenet_1000.txt", tmp_path / "imagenet.txt")
    shutil.copy(data / "images" / "cat.jpg", tmp_path)
    (tmp_path / "classify.yaml").write_text(blocks("yaml")[0])
    return tmp_path


def test_the_command_prints_what_the_page_shows(folder: Path) -> None:
    (command,), (shown,) = blocks("sh"), blocks("text")
    words, picture = command.strip().split(" < ")
    assert words.split()[0] == "weft"
    with (folder / picture).open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-m", *words.split()], stdin=stdin, cwd=folder, capture_output=True, text=True, check=True
        )
    for line, expected in zip(done.stdout.splitlines(), shown.splitlines(), strict=True):
        (label, value), (wanted, about) = line.rsplit(",", 1), expected.rsplit(",", 1)
        assert label == wanted
        assert float(value) == pytest.approx(float(about), abs=0.005)


def test_the_python_of_the_page_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (block,) = blocks("python")
    exec(block.replace('open("cat.jpg", "rb").read()', 'Path("cat.jpg").read_bytes()'), {"Path": Path})
    assert "tiger cat" in capsys.readouterr().out


def test_the_pipeline_of_the_page_says_nothing_that_does_not_go_with_a_classifier() -> None:
    (spec,) = [parse_pipeline(block) for block in blocks("yaml")[1:]]
    assert spec.functions["names"].limits.time == parse_duration("500ms")
