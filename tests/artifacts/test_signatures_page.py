"""What ``docs/signatures.md`` tells to type works against a real registry, and its policy is one."""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.artifacts.conftest import PASSWORD, USER, Served
from tests.cli.conftest import Cli
from weft.core.resources import guest

PAGE = (Path(__file__).parents[2] / "docs" / "signatures.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_commands_work_one_after_the_other(
    weft: Cli, closed_registry: Served, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    for name, value in (("", closed_registry.host), ("_USER", USER), ("_PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"WEFT_REGISTRY{name}", value)
    (tmp_path / "classify.wasm").write_bytes(guest("classify").read_bytes())
    (tmp_path / "mobilenetv2.onnx").write_bytes((data / "models" / "mobilenetv2.onnx").read_bytes())
    [policy] = blocks("yaml")
    (tmp_path / "policy.yaml").write_text(policy.replace("registry.example", closed_registry.host))
    picture = next(path for path in sorted(data.rglob("*.jpg")) if "cat" in path.name.lower()).read_bytes()
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) > 10
    for written in lines:
        line = written.replace("registry.example", closed_registry.host)
        if "--model net=" in line:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture)))
        done = weft(*shlex.split(line.partition(" < ")[0])[1:])
        assert done.code == 0, (line, done.err)


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("it is not signed", "signature"),
        ("it is signed by another key", "signature"),
        ("no signature is by", "signature"),
        ("has been changed", "signature"),
        ("signed it for '", "signature"),
    ],
)
def test_the_table_has_the_codes_words(words: str, file: str) -> None:
    import weft.artifacts.signature

    assert words in PAGE
    assert words in Path(str(weft.artifacts.signature.__file__)).read_text()
