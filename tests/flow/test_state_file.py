"""State files that are no state files, that cannot be written, and that several processes use."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flow.test_state import never, write
from weft.core.errors import InputError, NotFoundError, OutputError, UnavailableError, WeftError
from weft.core.limits import StateGrant
from weft.flow import state, state_admin
from weft.flow.state import FunctionState
from weft.flow.state_admin import check_state, content, value
from weft.flow.state_file import FORMAT, connect
from weft.wasm.guard import Refusal

PATIENCE_S = 30

PRELUDE = """
import sys
from pathlib import Path
from weft.core.limits import StateGrant
from weft.flow.state import FunctionState
store = FunctionState(StateGrant(Path(sys.argv[1]), size=1 << 30))
def add():
    transaction = store.begin(lambda: False)
    number = int.from_bytes(transaction.get(b"n") or b"", "little") + 1
    transaction.put(b"n", number.to_bytes(8, "little"))
    return transaction
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


Other = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def other(path: Path) -> Iterator[Other]:
    """``other("add()")`` runs a program with this test's file in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *wrap: str) -> subprocess.Popen[str]:
        command = [*wrap, sys.executable, "-c", PRELUDE + program, str(path)]
        started.append(subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def grant(path: Path) -> StateGrant:
    return StateGrant(path)


# --- what is no state file -----------------------------------------------------------------


def every_way(path: Path) -> Iterator[type[WeftError]]:
    """The error of each way to use a file, which all say the same and leave it as it is."""
    before = path.read_bytes()
    for use in (lambda: FunctionState(grant(path)), lambda: check_state(path), lambda: content(path)):
        with pytest.raises(WeftError) as refused:
            use()
        assert refused.value.cure
        assert str(path) in str(refused.value)
        yield type(refused.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"name,count\n" * 1000)
    assert set(every_way(path)) == {InputError}


def test_a_database_of_another_program(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE photos (name)")
    other.commit()
    other.close()
    assert set(every_way(path)) == {InputError}
    with pytest.raises(InputError, match="a database of another program"):
        FunctionState(grant(path))


def test_a_file_of_a_newer_weft(path: Path) -> None:
    made = connect(path)
    made.execute(f"PRAGMA user_version = {FORMAT + 1}")
    made.close()
    assert set(every_way(path)) == {InputError}
    with pytest.raises(InputError, match=f"its format is {FORMAT + 1}, and this one knows {FORMAT}"):
        FunctionState(grant(path))


def test_a_damaged_file_says_so_and_is_left_for_whoever_mends_it(path: Path) -> None:
    write(FunctionState(grant(path)), a=b"1", b=bytes(100_000))
    [page] = [int(row[0]) for row in _rows(path, "SELECT rootpage FROM sqlite_master WHERE name = 'state'")]
    data = bytearray(path.read_bytes())
    data[4096 * (page - 1) : 4096 * page] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        FunctionState(grant(path))
    assert path.stat().st_size >= len(data)


def test_damage_that_shows_later_fails_the_frame_that_meets_it(path: Path) -> None:
    store = FunctionState(grant(path))
    write(store, a=b"1")
    store._file._connection.execute("DROP TABLE state")
    transaction = store.begin(never)
    with pytest.raises(OutputError, match="no such table"):
        transaction.get(b"a")
    with pytest.raises(OutputError, match="no such table"):
        transaction.put(b"a", b"2")
    with pytest.raises(OutputError, match="no such table"):
        transaction.commit()
    store.begin(never).rollback()


def test_an_empty_file_becomes_a_state_file(path: Path) -> None:
    path.touch()
    check_state(path)
    assert content(path).sizes == {}
    write(FunctionState(grant(path)), a=b"1")
    assert value(path, "a") == b"1"


def test_counts_that_somebody_changed_are_made_right(path: Path) -> None:
    write(FunctionState(grant(path)), a=b"123")
    changed = sqlite3.connect(path)
    changed.execute("UPDATE totals SET bytes = 0, keys = 0")
    changed.commit()
    changed.close()
    transaction = FunctionState(StateGrant(path, size=8)).begin(never)
    with pytest.raises(Refusal, match="9 B of keys and values"):
        transaction.put(b"b", b"1234")
    transaction.rollback()


# --- what is not there or cannot be written ------------------------------------------------


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "nothing" / "state.db"
    for use in (lambda: FunctionState(grant(path)), lambda: check_state(path)):
        with pytest.raises(NotFoundError, match="folder is not there"):
            use()
    assert not path.parent.exists()
    with pytest.raises(NotFoundError, match="no such state file"):
        content(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(InputError, match="is no file"):
            FunctionState(grant(path))


def test_a_folder_that_may_not_be_written() -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        FunctionState(grant(Path("/proc/self/state.db")))


def test_a_file_that_may_only_be_read(path: Path) -> None:
    write(FunctionState(grant(path)), a=b"1")
    path.chmod(0o400)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write everything")
    with pytest.raises(OutputError, match="cannot be opened for writing"):
        FunctionState(grant(path))
    assert value(path, "a") == b"1"


FILLS = """
add().commit()
{limit}
transaction = add()
try:
    transaction.put(b"big", bytes(400_000))
    transaction.commit()
except Exception as error:
    print(type(error).__name__, error.what)
transaction = store.begin(lambda: False)
assert transaction.get(b"big") is None
assert transaction.get(b"n")[0] == 1, "the whole frame is thrown away"
transaction.rollback()
add().commit()
"""


def test_a_file_that_may_not_grow_any_more_keeps_what_was_kept(other: Other, path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    out, err = other(FILLS.format(limit=limit)).communicate(timeout=PATIENCE_S)
    assert err == ""
    assert out == "OutputError the state file cannot be read or written: disk I/O error\n"
    assert value(path, "n") == (2).to_bytes(8, "little")


def test_a_full_disk_is_told_and_keeps_what_was_kept(other: Other, path: Path) -> None:
    mount = f'mount -t tmpfs -o size=128k none {path.parent} && exec "$@"'
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    out, err = other(FILLS.format(limit=""), "unshare", "-rm", "sh", "-c", mount, "sh").communicate(timeout=PATIENCE_S)
    assert err == ""
    assert out == "OutputError the state cannot be written: the disk is full\n"


# --- several processes ---------------------------------------------------------------------


def test_two_processes_lose_no_update(other: Other, path: Path) -> None:
    """More than the two: this one looks on."""
    writers = [other("print(end='', flush=True)\nfor _ in range(200): add().commit()") for _ in range(2)]
    store = FunctionState(grant(path))
    for _ in range(50):
        transaction = store.begin(never)
        number = int.from_bytes(transaction.get(b"n") or b"", "little")
        transaction.put(b"n", (number + 1).to_bytes(8, "little"))
        transaction.commit()
    for writer in writers:
        _, err = writer.communicate(timeout=PATIENCE_S)
        assert err == ""
    assert int.from_bytes(value(path, "n") or b"", "little") == 450


def test_a_process_that_holds_the_file_is_named(other: Other, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = other("open = add(); print('held', flush=True); input(); open.commit()")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert content(path).sizes == {}  # looking on needs no lock
    with pytest.raises(Refusal) as refused:
        FunctionState(grant(path)).begin(lambda: True)
    assert refused.value.kind == "busy"
    assert f"is in use by process {holder.pid} (python" in refused.value.reason
    monkeypatch.setattr(state_admin, "OPEN_WITHIN", 0.0)
    with pytest.raises(UnavailableError, match=f"is in use by process {holder.pid}"):
        state_admin.delete(path, "n")
    holder.communicate("go on\n", timeout=PATIENCE_S)
    write(FunctionState(grant(path)), a=b"1")
    assert content(path).sizes == {"a": 1, "n": 8}


def test_nobody_waits_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = FunctionState(grant(path)).begin(never)
    monkeypatch.setattr(state, "BUSY_S", 0.0)
    with pytest.raises(Refusal, match="in use by another frame"):
        FunctionState(grant(path)).begin(never)
    held.rollback()


def test_a_file_that_is_just_being_made_by_another_process(other: Other, path: Path) -> None:
    """Both find nothing, both make it; neither undoes what the other did."""
    makers = [other("print(end='', flush=True)\nfor _ in range(20): add().commit()") for _ in range(4)]
    for maker in makers:
        assert maker.communicate(timeout=PATIENCE_S)[1] == ""
    assert int.from_bytes(value(path, "n") or b"", "little") == 80


def test_kill_9_loses_no_finished_frame_and_keeps_no_other(other: Other, path: Path) -> None:
    program = (
        "for i in range(100): add().commit()\nopen = add(); open.put(b'half', b'x'); print('now', flush=True); input()"
    )
    killed = other(program)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "now\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait(PATIENCE_S)
    store = FunctionState(grant(path))
    transaction = store.begin(never)
    assert transaction.get(b"n") == (100).to_bytes(8, "little")
    assert transaction.get(b"half") is None
    transaction.rollback()
    assert state_admin.delete(path, "n")


def _rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    look = sqlite3.connect(path)
    try:
        return look.execute(statement).fetchall()
    finally:
        look.close()
