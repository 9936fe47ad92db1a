"""Commands as components, and what WASI 0.2 lets a component see and do: nothing that was not granted."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.component.commands import COPY, command, connecting, listed
from tests.python_functions.prepared import python_cache, python_ready
from tests.wasm.harness import Driven
from weft import Frame, LoadedFunction, load
from weft.core.errors import GuestExit, GuestFailed, GuestTrap, OutputLimitError, TimeLimitError
from weft.core.limits import DirGrant, Grants, Limits

__all__ = ["python_cache", "python_ready"]

Write = Callable[[str], Path]
Drive = Callable[..., Driven]
OK = "#0"


@pytest.mark.parametrize("version", ["0.2.0", "0.2.3", "0.2.12"])
@pytest.mark.parametrize("size", [0, 5, 40_000])
def test_a_command_reads_the_frame_and_prints_its_result(write: Write, drive: Drive, version: str, size: int) -> None:
    copy = drive(write(command(COPY + OK, version=version)))
    assert copy.function.abi.name == "command"
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert copy(payload) == ([payload] if payload else [])
    assert copy(b"again") == [b"again"]


def test_a_command_that_returns_an_error_exits_with_1(write: Write, drive: Drive) -> None:
    with pytest.raises(GuestExit) as ended:
        drive(write(command(COPY + "#1")))(b"a")
    assert ended.value.code == 1


@pytest.mark.parametrize(("status", "code"), [(0, None), (1, 1)])
def test_a_command_that_exits_ends_there(write: Write, drive: Drive, status: int, code: int | None) -> None:
    ends = drive(write(command(f"{COPY} (call $exit #{status}) (unreachable)")))
    if code is None:
        assert ends(b"done") == [b"done"]
        return
    with pytest.raises(GuestExit) as ended:
        ends(b"done")
    assert ended.value.code == code


def test_it_sees_its_arguments_and_granted_environment_and_directories(
    write: Write, drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    grants = Grants(env={"A": "1"}, dirs=(DirGrant(tmp_path, "/data"),))
    assert drive(write(command(listed("arguments", 8, 0) + OK)), args=("one", "two"))(b"")[0].endswith(b"onetwo")
    assert drive(write(command(listed("environment", 16, 8) + OK)), grants=grants)(b"") == [b"1"]
    assert drive(write(command(listed("environment", 16, 8) + OK)))(b"") == []
    assert drive(write(command(listed("directories", 12, 4) + OK)), grants=grants)(b"") == [b"/data"]
    assert drive(write(command(listed("directories", 12, 4) + OK)))(b"") == []


def test_printing_without_end_is_stopped(write: Write, drive: Drive) -> None:
    spam = "(local.set $out (call $stdout)) (loop $l (call $write (local.get $out) #0 #4000 #16) (br $l))"
    with pytest.raises(OutputLimitError, match="printed more"):
        drive(write(command(spam + OK)), limits=Limits(stdout=20_000))(b"")


def test_last_words_are_in_the_error(write: Write, drive: Drive) -> None:
    words = "(i32.store #100 #0x21706c48) (call $write (call $stderr) #100 #4 #16) (unreachable)"
    with pytest.raises(GuestTrap, match="its last words: Hlp!"):
        drive(write(command(words)))(b"")


@pytest.fixture
def python(tmp_path: Path, python_ready: None) -> Iterator[Callable[..., LoadedFunction]]:
    """``python("def handle(frame): …")`` is a component with an interpreter's whole idea of WASI."""
    with ExitStack() as stack:

        def made(text: str, **options: object) -> LoadedFunction:
            path = tmp_path / "f.py"
            path.write_text(text)
            return stack.enter_context(load(path, abi="component", **options))  # type: ignore[arg-type]

        yield made


def test_a_guest_that_sleeps_is_woken_when_its_time_is_up(python: Callable[..., LoadedFunction]) -> None:
    text = "import time\ndef handle(frame):\n    if frame.text() != 'go': time.sleep(3600)\n    return 'awake'"
    sleeper = python(text, limits=Limits(time=0.4))
    started = time.monotonic()
    with pytest.raises(TimeLimitError):
        sleeper(Frame(b""))
    assert time.monotonic() - started < 5
    assert [frame.payload for frame in sleeper(Frame(b"go"))] == [b"awake"]


def test_the_network_is_not_reached(write: Write, drive: Drive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        assert drive(write(connecting(server.getsockname()[1])))(b"") == [b"B"]  # access-denied
        with pytest.raises(TimeoutError):
            server.accept()


def test_files_are_there_only_where_they_were_granted(python: Callable[..., LoadedFunction], tmp_path: Path) -> None:
    folder = tmp_path / "granted"
    folder.mkdir()
    (folder / "a.txt").write_text("in")
    (tmp_path / "b.txt").write_text("out")
    read = "def handle(frame):\n    return open(frame.text()).read()"
    granted = python(read, grants=Grants(dirs=(DirGrant(folder, "/data", writable=False),)))
    assert [frame.payload for frame in granted(Frame(b"/data/a.txt"))] == [b"in"]
    for path in ("/data/../b.txt", "/etc/hostname", str(tmp_path / "b.txt"), "b.txt"):
        with pytest.raises(GuestFailed):
            granted(Frame(path.encode()))
    with pytest.raises(GuestFailed):
        python(
            "def handle(frame):\n    open('/data/c.txt', 'w').write('x')",
            grants=Grants(dirs=(DirGrant(folder, "/data", writable=False),)),
        )(Frame(b""))
    assert not (folder / "c.txt").exists()
