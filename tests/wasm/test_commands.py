"""Commands: stdin to stdout, exit codes, and what they may see of the world."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wasm.harness import Driven, Thread, settings
from weft.core.errors import (
    GuestExit,
    GuestTrap,
    NotFoundError,
    OutputError,
    OutputLimitError,
    TimeLimitError,
    WeftError,
)
from weft.core.frame import Frame
from weft.core.limits import DirGrant, Grants, Limits
from weft.core.protocols import Terminal
from weft.wasm.function import Function

Run = Callable[..., str]


@pytest.fixture
def run(guest: Callable[[str], Path], drive: Callable[..., Driven]) -> Run:
    """``run("env", grants=…)`` is what the command prints."""

    def command(*words: str, stdin: bytes = b"", **options: object) -> str:
        return b"".join(drive(guest("command"), args=words, **options)(stdin)).decode()

    return command


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a file, beside one that nobody granted."""
    (tmp_path / "granted").mkdir()
    (tmp_path / "granted" / "file").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "granted" / "absolute").symlink_to(tmp_path / "secret")
    (tmp_path / "granted" / "relative").symlink_to("../secret")
    (tmp_path / "granted" / "up").symlink_to("..")
    (tmp_path / "granted" / "inner").symlink_to("file")
    return tmp_path


def granted(tree: Path, *, writable: bool = False) -> Grants:
    return Grants(dirs=(DirGrant(tree / "granted", "/data", writable),))


def test_input_becomes_output_at_any_size(run: Run) -> None:
    assert run() == ""
    assert run(stdin=b"hello") == "hello"
    large = os.urandom(4 * 2**20).hex()
    assert run(stdin=large.encode()) == large


def test_what_it_prints_keeps_the_frames_sequence_time_and_headers(
    guest: Callable[[str], Path], drive: Callable[..., Driven]
) -> None:
    frame = Frame(b'{"a": 1}', sequence=7, time_ns=5, headers={"camera": "north"})
    (emitted,) = drive(guest("command")).frames(frame)
    assert (emitted.sequence, emitted.time_ns, emitted.headers) == (7, 5, {"camera": "north"})
    assert (emitted.media_type, emitted.stream) == ("application/json", "")


@pytest.mark.parametrize(
    ("printed", "media_type"),
    [
        (b"[1]", "application/json"),
        (b"words", "text/plain"),
        ("ä".encode() * 600, "text/plain"),
        (b"\xff\xd8\xff", "application/octet-stream"),
    ],
)
def test_the_media_type_is_seen_from_what_it_prints(
    guest: Callable[[str], Path], drive: Callable[..., Driven], printed: bytes, media_type: str
) -> None:
    assert drive(guest("command")).frames(Frame(printed))[0].media_type == media_type


def test_arguments_arrive_after_the_modules_name(run: Run) -> None:
    assert run("args", "two words", "", "ünï") == "command.wasm\nargs\ntwo words\n\nünï\n"


def test_the_environment_is_empty_unless_granted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    assert run("env") == ""
    assert run("env", grants=Grants(env={"MODE": "fast", "EMPTY": ""})) == "MODE=fast\nEMPTY=\n"


def test_no_directory_is_there_unless_granted(run: Run, tree: Path) -> None:
    for path in ("/data/file", str(tree / "granted" / "file"), "/etc/passwd", "file"):
        with pytest.raises(GuestExit, match="exited with code 1; its last words"):
            run("read", path)
    with pytest.raises(GuestExit):
        run("list", "/")


def test_a_granted_directory_can_be_read(run: Run, tree: Path) -> None:
    grants = granted(tree)
    assert run("read", "/data/file", grants=grants) == "inside"
    assert run("read", "/data/inner", grants=grants) == "inside"
    assert set(run("list", "/data", grants=grants).split()) == {"file", "absolute", "relative", "up", "inner"}


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize(
    "path", ["/data/../secret", "/data/absolute", "/data/relative", "/data/up/secret", "/secret", "../secret", "secret"]
)
def test_no_way_leads_out_of_a_granted_directory(run: Run, tree: Path, path: str, writable: bool) -> None:
    grants = granted(tree, writable=writable)
    for verb in ("read", "write"):
        with pytest.raises(GuestExit):
            run(verb, path, grants=grants)
    assert (tree / "secret").read_text() == "outside"
    assert not (tree / "granted" / "secret").exists()


def test_a_read_only_directory_stays_as_it_is(run: Run, tree: Path) -> None:
    for words in (("write", "/data/new"), ("write", "/data/file"), ("remove", "/data/file")):
        with pytest.raises(GuestExit):
            run(*words, grants=granted(tree))
    assert (tree / "granted" / "file").read_text() == "inside"
    assert not (tree / "granted" / "new").exists()


def test_a_writable_directory_takes_what_is_written(run: Run, tree: Path) -> None:
    run("write", "/data/new", grants=granted(tree, writable=True))
    assert (tree / "granted" / "new").read_text() == "written by the guest"
    run("remove", "/data/new", grants=granted(tree, writable=True))
    assert not (tree / "granted" / "new").exists()


def test_a_granted_directory_that_is_not_there_is_an_error_with_its_path(run: Run, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="granted directory") as caught:
        run("list", "/data", grants=Grants(dirs=(DirGrant(tmp_path / "missing", "/data"),)))
    assert caught.value.where == str(tmp_path / "missing")


@pytest.mark.parametrize("code", [1, 3, 125])
def test_exit_codes_and_last_words_are_told(run: Run, code: int) -> None:
    with pytest.raises(GuestExit) as caught:
        run("exit", str(code))
    assert caught.value.code == code
    assert caught.value.what == f"exited with code {code}; its last words: it all went wrong | badly"


def test_standard_error_goes_to_the_log_the_last_line_too(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run("exit", "0")
    assert [(record.levelname, record.message) for record in caplog.records if record.name == "weft.guest.guest"] == [
        ("WARNING", "it all went wrong"),
        ("WARNING", "badly"),
    ]


@pytest.mark.parametrize(
    ("what", "error"), [("spam", OutputLimitError), ("loop", TimeLimitError), ("abort", GuestTrap)]
)
def test_a_command_that_goes_wrong_fails_its_frame(
    guest: Callable[[str], Path], drive: Callable[..., Driven], what: str, error: type[WeftError]
) -> None:
    command = drive(guest("command"), args=(what,), limits=Limits(stdout=50_000, time=0.2))
    for attempt in (1, 2):
        with pytest.raises(error):
            command(b"input")
        assert command.handler.replaced == attempt


def test_sleeping_takes_as_long_as_it_should(run: Run) -> None:
    """30 ms to an absolute time and 30 ms from now."""
    assert 58 <= int(run("nap")) < 1000


def test_a_terminal_sees_output_as_it_comes(guest: Callable[[str], Path], thread: Thread) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    function = Function(guest("command"), settings(args=("exit", "3")))
    handler = function.instance(Terminal(inherit_stdin=False, out=out.append, err=err.append))
    with pytest.raises(GuestExit):
        thread(handler.handle, Frame(b""))
    assert b"".join(err) == b"it all went wrong\nbadly"
    assert out == []


def test_a_reader_that_went_away_ends_the_guest(guest: Callable[[str], Path], thread: Thread) -> None:
    def gone(data: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    handler = Function(guest("command"), settings()).instance(Terminal(inherit_stdin=False, out=gone, err=gone))
    with pytest.raises(OutputError, match="nobody reads the output"):
        thread(handler.handle, Frame(bytes(2**20)))


def test_a_defect_of_the_host_fails_the_frame_only(
    guest: Callable[[str], Path], thread: Thread, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(data: bytes) -> None:
        raise LookupError("a defect")

    handler = Function(guest("command"), settings()).instance(Terminal(inherit_stdin=False, out=broken, err=broken))
    with caplog.at_level(logging.CRITICAL), pytest.raises(WeftError, match="LookupError: a defect") as caught:
        thread(handler.handle, Frame(b"hello"))
    assert "report it" in caught.value.cure
