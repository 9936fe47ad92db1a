"""The page about state: its guest compiles and counts, its commands and its pipelines run."""

from __future__ import annotations

import io
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from tests.guests.build import compile_guest, shared_folder
from weft import Frame, Grants, Pipeline, StateGrant, load
from weft.cli.main import main
from weft.core.units import parse_size
from weft.wasm.host import signatures
from weft.wasm.state import MAX_KEY, StateCounters

PAGE = (Path(__file__).parents[1] / "docs" / "state.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def counter(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest on the page, compiled, in this test's folder."""
    [source] = blocks("c")
    (tmp_path / "counter.c").write_text(source)
    module = compile_guest(tmp_path / "counter.c", shared_folder(tmp_path_factory))
    (tmp_path / "counter.wasm").write_bytes(module.read_bytes())
    return tmp_path / "counter.wasm"


def test_the_counter_counts_from_run_to_run(counter: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        with load(counter, grants=Grants(state=StateGrant(tmp_path / "counter.db"))) as function:
            assert json.loads(function(Frame(b""))[0].payload) == {"count": number}


@pytest.mark.parametrize("document", blocks("yaml"))
def test_the_pipelines_run(
    counter: Path, document: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = counter.with_name("pipeline.yaml")
    monkeypatch.setenv("WEFT_STATE", str(counter.parent / "kept"))
    (counter.parent / "lines.txt").write_text("a\nb\n")
    path.write_text(document.replace('path: "-"', "path: lines.txt"))
    Pipeline.load(path).run()
    out, _ = capfd.readouterr()
    assert sorted(re.findall(r"count\D+(\d)", out)) == ["1", "2"]


def test_the_commands_work(counter: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(counter.parent)
    run, look = blocks("sh")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"frame")))
    lines = [line.partition("#")[0].partition("<")[0].partition("|")[0] for line in (run + look).splitlines()]
    codes = [main(line.split()[1:]) for line in lines]
    out, err = capfd.readouterr()
    assert codes == [0] * 5, err
    assert out.startswith('{"count":1}\n{"count":2}\n')
    assert "count" in out.split("bytes  key")[1]


def test_the_tables_say_what_the_code_says() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+|as `size`) \|", PAGE, re.MULTILINE))
    default = StateGrant(Path())
    assert {name: parse_size(text) for name, text in rows.items() if name != "value"} == {
        "size": default.size,
        "keys": default.keys,
    }
    assert (rows["value"], default.value) == ("as `size`", None)
    named = set(re.findall(r"^\| `(state_\w+)\(", PAGE, re.MULTILINE))
    assert named == {name for name in signatures("weft") if name.startswith("state_")}
    assert f"1 to {MAX_KEY} bytes" in PAGE
    assert [field.name for field in fields(StateCounters) if f"`{field.name}`" not in PAGE] == []
