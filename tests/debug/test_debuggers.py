"""Finding a debugger, what it is told, and what cannot be debugged; nothing here starts one but lldb's test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.conftest import ECHO, Cli, weft, weft_process
from tests.debug.conftest import Run
from tests.sdk.test_toolchains import program
from weft.cli.debug import _defaults, _process, _timeless
from weft.core.errors import ModuleError, UnavailableError, UsageError
from weft.core.resources import guest
from weft.toolchains.debuggers import LINKED, Debugger, Session, _gdb, _lldb, find_debugger
from weft.wasm.debug_info import check_debuggable
from weft.wasm.engine import Engine, expect_debugger

__all__ = ["weft", "weft_process"]
COMPONENT = b"\0asm\x0d\0\x01\0"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_gdb_comes_before_lldb(path: Path):
    program(path / "lldb", "echo lldb version 14")
    assert find_debugger().name == "lldb"
    program(path / "gdb", "echo yes")
    assert find_debugger().name == "gdb"
    assert find_debugger("lldb").path == str(path / "lldb")


def test_a_missing_debugger_is_told_with_the_command_that_installs_it(path: Path):
    program(path / "dnf", "")
    with pytest.raises(UnavailableError, match="no gdb or lldb here") as told:
        find_debugger()
    assert told.value.cure == "dnf install gdb"
    (path / "dnf").unlink()
    with pytest.raises(UnavailableError, match="no lldb here") as told:
        find_debugger("lldb")
    assert told.value.cure == "install lldb and put it on PATH"


def test_a_gdb_without_python_is_told_as_such(path: Path):
    program(path / "gdb", "echo 'Python scripting is not supported in this copy of GDB.' >&2")
    with pytest.raises(UnavailableError, match="this gdb has no Python"):
        find_debugger()


def test_gdb_is_told_as_one_value(tmp_path: Path):
    session = Session(["python", "x y"], breaks=["it's"], commands=['p "a"'], batch=True, sources=["/built=/no w"])
    words = _gdb("/usr/bin/gdb", session)
    told = next(word for word in words if word.startswith("python weft_session"))
    space: dict[str, str] = {}
    exec(told.removeprefix("python "), space)
    assert json.loads(space["weft_session"]) == {
        "settings": ['set substitute-path "/built" "/no w"'],
        "breaks": ["it's"],
        "defaults": [],
        "commands": ['p "a"'],
        "batch": True,
    }
    assert words[-3:] == ["--args", "python", "x y"]
    assert {"-batch", "-nx"} < set(words), "a script must not depend on the user's settings"


def test_lldb_is_told_by_commands():
    words = _lldb("/usr/bin/lldb", Session(["python"], breaks=["a b.c:12", "share"], commands=["bt"], batch=True))
    lines = words[words.index("--one-line") + 1 :: 2]
    assert f"breakpoint set --one-shot true --name {LINKED}" in lines
    assert 'breakpoint set --file "a b.c" --line 12' in lines
    assert 'breakpoint set --name "share"' in lines
    assert lines[lines.index("bt") - 1] == "continue"
    with pytest.raises(UsageError, match="lldb must know what it stands for"):
        Debugger("lldb", "lldb", _lldb).words(Session(["python"], sources=["/folder"]))


def test_lldb_stops_at_a_line(debug: Run):
    if not shutil.which("lldb"):
        pytest.skip("lldb is not installed; gdb is what tests need")
    done = debug("scores.wasm", "--debugger", "lldb", "--break", "share", commands=["p all->count"], stdin="1 2\n")
    assert "share(all=" in done.stdout
    assert "(const int) $0 = 2" in done.stdout or "(int) $0 = 2" in done.stdout


def test_time_limits_are_left_out():
    words = [
        "--model",
        "a=b",
        "--timeout",
        "1s",
        "--limit",
        "time=2s",
        "--limit=start=1s",
        "--limit",
        "stdout=1MiB",
        "--timeout=3s",
        "x",
    ]
    assert list(_timeless(words)) == ["--model", "a=b", "--limit", "stdout=1MiB", "x"]
    assert list(_timeless(["--limit"])) == ["--limit", ""], "run says what is wrong with it"


def test_what_stands_after_two_dashes_is_the_guests(monkeypatch: pytest.MonkeyPatch):
    from weft.cli import options

    token = options.command_line.set(["debug", "f.wasm", "--config", "a=b", "--", "--timeout", "1s"])
    try:
        words = _process(["-", "4", "5"], Path("f.wasm"), ("--config", "a=b", "--timeout", "1s"))
    finally:
        options.command_line.reset(token)
    assert words[3:6] == ["-", "4", "5"]
    assert words[-5:] == ["--config", "a=b", "--", "--timeout", "1s"]


@pytest.mark.parametrize(
    ("exports", "expected"),
    [
        (["_initialize", "weft_init", "weft_handle"], ["weft_handle"]),
        (["yomo_init", "yomo_handler"], ["yomo_handler"]),
        (["_start"], ["main", "_start"]),
        (["__wbindgen_malloc", "infer"], ["infer"]),
    ],
)
def test_it_stops_where_its_abi_begins(exports: list[str], expected: list[str]):
    assert _defaults(exports) == expected


# --- what cannot be debugged ------------------------------------------------------------


def test_a_build_for_speed_is_refused_with_the_cure():
    with pytest.raises(ModuleError, match=r"its debug information \(DWARF\) is missing") as told:
        check_debuggable(guest("classify"))
    assert "weft build --debug" in told.value.cure


def test_debug_information_in_another_file_is_told(tmp_path: Path):
    module = tmp_path / "m.wasm"
    module.write_bytes(b"\0asm\1\0\0\0" + bytes([0, 20, 19]) + b"external_debug_info")
    with pytest.raises(ModuleError, match="is in a file of its own"):
        check_debuggable(module)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (COMPONENT, "a component cannot be debugged yet"),
        (ECHO.encode(), "a debugger needs a .wasm module"),
        (b"WEFTCW1\n rest", "compiled code has no source lines"),
    ],
)
def test_what_is_no_module_is_refused(tmp_path: Path, content: bytes, reason: str):
    module = tmp_path / "m.wasm"
    module.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        check_debuggable(module)


@given(st.binary(max_size=200))
def test_broken_modules_are_told_or_taken(content: bytes):
    path = Path(os.environ["WEFT_CACHE"]).parent / "broken.wasm"
    path.write_bytes(b"\0asm\1\0\0\0" + content)
    with suppress(ModuleError):
        assert isinstance(check_debuggable(path), list)


def test_pipelines_and_python_are_refused(weft: Cli, tmp_path: Path):
    for name in ("p.yaml", "f.py"):
        (tmp_path / name).write_text("")
        done = weft("debug", tmp_path / name, "--batch")
        assert (done.code, "only WebAssembly modules can be debugged" in done.err) == (64, True)


def test_a_missing_module_is_told_first(weft: Cli, path: Path):
    done = weft("debug", "nowhere.wasm")
    assert (done.code, "no such file" in done.err) == (66, True)


def test_a_misspelt_option_is_asked_about(weft: Cli):
    done = weft("debug", guest("classify"), "--brek", "x")
    assert (done.code, "did you mean --break?" in done.err) == (64, True)


def test_commands_need_a_batch(weft: Cli):
    done = weft("debug", guest("classify"), "--command", "bt")
    assert (done.code, "--command needs --batch" in done.err) == (64, True)


def test_without_a_terminal_it_asks_for_a_batch(scores: Path, path: Path):
    program(path / "gdb", "echo yes")
    done = subprocess.run(
        [sys.executable, "-m", "weft", "debug", str(scores / "scores.wasm")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )
    assert "no terminal for the debugger to ask in" in done.stderr
    assert done.returncode == 64


# --- the engine -------------------------------------------------------------------------


def test_code_for_a_debugger_is_other_code():
    assert Engine(for_debugger=True).fingerprint != Engine().fingerprint


def test_the_debugger_must_be_asked_for_first():
    from weft.wasm.engine import engine

    engine()
    with pytest.raises(UsageError, match="has compiled code already"):
        expect_debugger()
