"""Standard streams that are closed, full, huge or without a reader; terminals, locales and folders of an odd kind."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Done, Guests, lines, write_pipeline
from weft.core.errors import UnavailableError
from weft.flow.callable import load
from weft.wasm.source import compile_to

Weft = Callable[..., Done]


def through(folder: Path, guests: Guests, count: int, **sink: object) -> Path:
    """A pipeline that hands ``count`` lines through to standard output."""
    words = [f"line {number}" for number in range(count)]
    return write_pipeline(folder, lines(folder, *words), {"wasm": str(guests("echo"))}, **{"path": "-", **sink})


def test_without_standard_input_the_frame_is_empty(shell: Weft, guests: Guests) -> None:
    assert shell(f"weft run {guests('echo')} <&- && weft run {guests('command')} copy <&-").told(0).out == ""


@pytest.mark.parametrize("command", ["inspect MODULE --json", "run MODULE", "run PIPELINE", "--help"])
@pytest.mark.parametrize(("target", "said"), [(">&-", "it is closed"), (">/dev/full", "No space left")])
def test_an_output_that_takes_nothing_is_told(
    shell: Weft, guests: Guests, tmp_path: Path, command: str, target: str, said: str
) -> None:
    words = command.replace("MODULE", str(guests("echo"))).replace("PIPELINE", str(through(tmp_path, guests, 3)))
    done = shell(f"echo hello | weft {words} {target}")
    assert (done.code, "Traceback" in done.err, "Exception ignored" in done.err) == (73, False, False), done.err
    assert said in done.err or "Bad file descriptor" in done.err


def test_no_file_is_taken_for_a_closed_standard_output(shell: Weft, guests: Guests, tmp_path: Path) -> None:
    """The first file that is opened would get the number 1, and what is printed would be written into it."""
    victims = [Path(write_pipeline(tmp_path, lines(tmp_path, "a"), {"wasm": str(guests("echo"))})), tmp_path / "in.txt"]
    before = [path.read_text() for path in victims]
    shell(f"weft run {victims[0]} >&- 2>&-")
    assert [path.read_text() for path in victims] == before
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("target", ["2>&-", "2>/dev/full"])
def test_without_standard_error_all_is_done_all_the_same(
    shell: Weft, guests: Guests, tmp_path: Path, target: str
) -> None:
    assert shell(f"weft run nothing.wasm {target}").code == 66
    assert shell(f"weft run {guests('command')} exit 3 {target}").code == 3
    for form in ("json", "rich"):
        done = shell(f"weft run {through(tmp_path, guests, 3)} --log-format {form} {target}")
        assert (done.code, len(done.out.splitlines())) == (0, 3)


def test_a_reader_that_goes_away_ends_it_quietly(shell: Weft, guests: Guests, tmp_path: Path) -> None:
    done = shell(f"weft run {guests('command')} spam | head -1")
    assert (done.code, done.out, done.err) == (141, "again and again\n", "")
    for form in ("json", "text"):
        done = shell(f"weft run {through(tmp_path, guests, 20_000)} --log-format {form} --quiet | head -1")
        assert (done.code, done.err) == (141, "")
        assert json.loads(done.out)["payload"] == "line 0"


def test_a_huge_standard_input_is_refused_or_streamed(shell: Weft, guests: Guests, tmp_path: Path) -> None:
    shell(f"head -c 257M /dev/zero | weft run {guests('echo')}").told(65, "256.0 MiB", "cure:")
    done = shell(f"head -c 40M /dev/zero | weft run {guests('command')} copy --limit stdout=64MiB | wc -c")
    assert done.told(0).out.strip() == str(40 << 20)
    document = write_pipeline(tmp_path, {"type": "lines", "path": "-"}, {"wasm": str(guests("echo"))})
    shell(f"yes | head -c 40M | tr -d '\\n' | weft run {document} --log-format text").told(65, "longer than 16 MiB")


def test_any_locale_and_any_terminal_will_do(weft: Weft, tmp_path: Path) -> None:
    ascii_only: dict[str, str | None] = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    assert weft("model", "--help", env=ascii_only).told(0).out
    weft("run", "ümläut.wasm", env={"LANG": "C", "LC_ALL": None}).told(66, "no such file")
    (tmp_path / "é.wat").write_text("(module)")
    assert "\\xe9.wat" in weft("inspect", "é.wat", env={"PYTHONIOENCODING": "ascii"}).told(0).out
    for terminal in ({"TERM": "dumb", "COLUMNS": "1"}, {"TERM": "", "COLUMNS": "0"}, {"TERM": None, "COLUMNS": "many"}):
        assert "TARGET" in weft("run", "--help", env=terminal).told(0).out


def test_a_current_folder_that_is_gone_matters_only_to_relative_paths(
    shell: Weft, guests: Guests, data: Path, tmp_path: Path
) -> None:
    echo, model = guests("echo"), data / "models" / "identity.onnx"
    here = "mkdir gone && cd gone && rmdir ../gone &&"
    assert shell(f"{here} echo hello | weft run {echo} --model net={model}").told(0).out == "hello\n"
    assert shell(f"{here} weft run {through(tmp_path, guests, 2)}").told(0).out.count("\n") == 2
    shell(f"{here} weft run echo.wasm").told(66, "no such file")
    shell(f"{here} weft run pipeline.yaml --log-format text").told(66, "no such file")
    shell(f"{here} weft compile {echo} -o echo.cwasm").told(1, "the current directory", "cure: cd to")


def test_a_user_without_a_home_is_served(weft: Weft, guests: Guests, tmp_path: Path) -> None:
    bare: dict[str, str | None] = {name: None for name in os.environ if name.startswith(("WEFT_C", "XDG_"))}
    assert weft("run", guests("echo"), stdin=b"hi", env={**bare, "HOME": str(tmp_path)}).told(0).out == "hi"
    assert weft("run", guests("echo"), stdin=b"hi", env={**bare, "HOME": "/proc/nothing"}).told(0).out == "hi"


def test_a_user_the_system_does_not_know_has_no_cache_and_is_told_what_to_set_for_the_rest(
    guests: Guests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in [name for name in os.environ if name.startswith(("WEFT_C", "XDG_", "HOME"))]:
        monkeypatch.delenv(name)
    with load(guests("echo")) as function:
        assert function(b"hi")[0].payload == b"hi"
    with pytest.raises(UnavailableError, match="no home") as raised:
        compile_to(guests("echo"), tmp_path / "echo.cwasm")
    assert "WEFT_CONFIG" in raised.value.cure
