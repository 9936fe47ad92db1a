"""``--state`` and ``weft state``, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.guests.build import GUESTS, compile_guest, shared_folder
from weft.core.limits import StateGrant
from weft.flow.state import FunctionState


@pytest.fixture(scope="session")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_guest(GUESTS / "counter.c", shared_folder(tmp_path_factory))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A state file with a number, a text and a name that would steer a terminal."""
    path = tmp_path / "kept.db"
    transaction = FunctionState(StateGrant(path)).begin(lambda: False)
    for key, value in (("count", b"\x07\0\0\0\0\0\0\xff"), ("who", b"Gr\xc3\xbc\xc3\x9fe"), ("\x1b[2J", b"")):
        transaction.put(key.encode(), value)
    transaction.commit()
    return path


def test_a_function_counts_from_run_to_run(weft_process: Cli, counter: Path, tmp_path: Path) -> None:
    for number in (b"1", b"2"):
        done = weft_process("run", counter, "--state", "counter.db", cwd=tmp_path)
        assert (done.code, done.out.strip().encode()) == (0, number)
    assert [path.name for path in tmp_path.iterdir()] == ["counter.db"]


def test_without_state_the_error_says_how_to_grant_it(weft_process: Cli, counter: Path) -> None:
    done = weft_process("run", counter)
    assert done.code == 70
    assert "weft.state_get: no state was granted" in done.err
    assert "--state FILE" in done.err


def test_a_size_is_a_limit(weft_process: Cli, counter: Path, tmp_path: Path) -> None:
    done = weft_process("run", counter, "--state", "counter.db:12", cwd=tmp_path)
    assert done.code == 70
    assert "13 B of keys and values, over its limit of 12 B" in done.err
    assert "raise grants.state.size (--state FILE:SIZE)" in done.err


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        (":1MiB", 64, "is no state grant"),
        ("nothing/x.db", 66, "folder is not there"),
        (".", 65, "is no file"),
        ("x" * 300, 73, "cannot be opened"),
        ("notes.txt", 65, "is no state file"),
    ],
)
def test_files_that_will_not_do(
    weft: Cli,
    counter: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("notes")
    done = weft("run", counter, "--state", state)
    assert done.code == code
    assert words in done.err
    assert "cure:" in done.err
    assert (tmp_path / "notes.txt").read_text() == "notes"


def test_a_pipeline_says_state_in_its_document(weft: Cli, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("sources: {lines: {type: lines, path: '-'}}\nsinks: {out: {type: console, inputs: [lines]}}\n")
    done = weft("run", path, "--state", "x.db")
    assert done.code == 64
    assert "--state: a pipeline says this in its document" in done.err


def test_show_lists_keys_and_sizes(weft: Cli, file: Path) -> None:
    done = weft("state", "show", file)
    assert done.code == 0
    assert done.out.splitlines() == [
        "bytes  key",
        "    0  \\x1b[2J",
        "    8  count",
        "    7  who",
        "3 keys, 27 B of keys and values",
    ]
    done = weft("state", "show", file, "--json")
    found = json.loads(done.out)
    assert found == {"file": str(file), "size": 27, "keys": {"\x1b[2J": 0, "count": 8, "who": 7}}


def test_show_gives_a_value_as_it_is(weft: Cli, weft_process: Cli, file: Path) -> None:
    assert weft("state", "show", file, "who").out == "Grüße"
    assert json.loads(weft("state", "show", file, "who", "--json").out)["text"] == "Grüße"
    found = json.loads(weft("state", "show", file, "count", "--json").out)
    assert found == {"file": str(file), "key": "count", "size": 8, "base64": "BwAAAAAAAP8="}


def test_delete_takes_a_key_out(weft: Cli, file: Path) -> None:
    assert weft("state", "delete", file, "count").code == 0
    assert "2 keys" in weft("state", "show", file).out


@pytest.mark.parametrize("command", ["show", "delete"])
def test_a_key_that_is_not_there(weft: Cli, file: Path, command: str) -> None:
    done = weft("state", command, file, "cuont")
    assert done.code == 66
    assert "no key 'cuont'\n  cure: did you mean 'count'?" in done.err


@pytest.mark.parametrize("command", [("show",), ("show", "k"), ("delete", "k")])
def test_a_file_that_is_not_there_is_not_made(weft: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    verb, *key = command
    done = weft("state", verb, tmp_path / "no.db", *key)
    assert done.code == 66
    assert "no such state file" in done.err
    assert list(tmp_path.iterdir()) == []


def test_looking_changes_no_other_file(weft: Cli, wat: Callable[..., Path], tmp_path: Path) -> None:
    module = wat("(module)")
    for verb, *key in (("show",), ("show", "k"), ("delete", "k")):
        done = weft("state", verb, module, *key)
        assert (done.code, "is no state file" in done.err) == (65, True)
    assert module.read_text() == "(module)"
    assert [path.name for path in tmp_path.iterdir()] == [module.name]
