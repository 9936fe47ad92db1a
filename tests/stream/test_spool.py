"""The spool: what was sent outlives the process, within its bounds; what is broken is told and set aside."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.errors import InputError, OutputError, UnavailableError
from weft.stream import database
from weft.stream import spool as module
from weft.stream.base import SpoolOptions
from weft.stream.spool import OVERHEAD, RESERVED, Spool, spool_path

PLENTY = SpoolOptions()


def message(number: int, size: int = 10) -> tuple[bytes, bytes]:
    return f"header {number}".encode(), bytes([number % 256]) * size


def fill(spool: Spool, count: int, size: int = 10) -> None:
    for _ in range(count):
        spool.add(message(spool.next, size), size)


def kept(spool: Spool) -> list[int]:
    return [number for number, _ in spool.between(0, 10**6)]


def test_what_was_added_is_there_after_opening_it_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "sub" / "s.db", PLENTY)
    fill(spool, 5)
    publisher = spool.publisher
    spool.close()
    again = Spool(tmp_path / "sub" / "s.db", PLENTY)
    assert (again.publisher, again.next, kept(again)) == (publisher, 5, [0, 1, 2, 3, 4])
    assert list(again.between(1, 3)) == [(number, message(number)) for number in (1, 2, 3)]
    assert again.last == message(4)
    assert (again.kept_from(2), again.kept_from(5), again.kept_from(99)) == (2, 5, 99)
    again.close()


def test_two_spools_are_two_publishers(tmp_path: Path) -> None:
    one, two = Spool(tmp_path / "1", PLENTY), Spool(tmp_path / "2", PLENTY)
    assert one.publisher != two.publisher
    assert one.last is None
    one.close()
    two.close()


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 60), max_size=40), most=st.integers(130, 600))
def test_it_keeps_the_newest_within_its_bounds(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], most: int
) -> None:
    path = tmp_path_factory.mktemp("spool") / "s"
    options = SpoolOptions(max_bytes=most)
    spool = Spool(path, options)
    for number, size in enumerate(sizes):
        spool.add(message(number, size), size)
        found = kept(spool)
        assert found == list(range(found[0], number + 1))
        assert sum(sizes[n] + OVERHEAD for n in found) <= most
        assert found[0] == 0 or sum(sizes[n] + OVERHEAD for n in range(found[0] - 1, number + 1)) > most
        assert spool.forgotten == spool.kept_from(0) == found[0]
    before = kept(spool)
    spool.close()
    again = Spool(path, options)
    assert (again.next, kept(again)) == (len(sizes), before)
    again.close()


def test_what_is_too_old_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "s", SpoolOptions(max_age_s=60, when_full="refuse"))
    fill(spool, 3)
    before = module.now_ns()
    monkeypatch.setattr(module, "now_ns", lambda: before + 61 * 10**9)
    fill(spool, 2)
    assert (kept(spool), spool.forgotten) == ([3, 4], 3)
    spool.close()


def test_a_full_one_refuses_until_the_oldest_is_old_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "s", SpoolOptions(max_bytes=300, max_age_s=60, when_full="refuse"))
    fill(spool, 4)
    with pytest.raises(OutputError, match="the spool of 300 B is full") as refused:
        fill(spool, 1)
    assert "--spool-size" in str(refused.value.cure)
    assert (spool.refused, spool.next, kept(spool)) == (1, 4, [0, 1, 2, 3])
    before = module.now_ns()
    monkeypatch.setattr(module, "now_ns", lambda: before + 61 * 10**9)
    fill(spool, 1)
    assert kept(spool) == [4]
    spool.close()


def test_a_message_that_is_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", SpoolOptions(max_bytes=300))
    fill(spool, 3)
    with pytest.raises(OutputError, match="more than it may ever hold"):
        fill(spool, 1, 1000)
    assert kept(spool) == [0, 1, 2]
    spool.close()


CHILD = """
import sys
from pathlib import Path
from weft.stream.base import SpoolOptions
from weft.stream.spool import Spool
spool = Spool(Path(sys.argv[1]), SpoolOptions())
for number in range(10**6):
    spool.add((b'h', number.to_bytes(8, 'big')), 8)
    print(number, flush=True)
"""


def test_a_process_that_is_killed_loses_nothing_it_was_told_is_kept(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, tmp_path / "s"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(50)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split()]
    child.stdout.close()
    child.wait()
    spool = Spool(tmp_path / "s", PLENTY)
    found = [int.from_bytes(payload, "big") for _, (_, payload) in spool.between(0, 10**6)]
    assert found[: len(told)] == told
    assert len(found) <= len(told) + 1
    assert spool.next == len(found)  # the machine went on: no number is skipped
    spool.close()


def test_after_a_power_cut_no_number_is_given_out_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was added last may be missing in the file, and have reached somebody all the same."""
    spool = Spool(tmp_path / "s", PLENTY)
    fill(spool, 5)
    spool._db.close()  # no clean end
    monkeypatch.setattr(module, "boot", lambda: "another")
    again = Spool(tmp_path / "s", PLENTY)
    assert again.next == RESERVED
    assert again.kept_from(5) == RESERVED
    fill(again, 1)
    assert kept(again) == [0, 1, 2, 3, 4, RESERVED]
    again.close()
    third = Spool(tmp_path / "s", PLENTY)
    assert third.next == RESERVED + 1
    third.close()


def test_with_sync_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    for sync, level in ((False, 1), (True, 2)):
        spool = Spool(tmp_path / f"{sync}", SpoolOptions(sync=sync))
        fill(spool, 2)
        assert spool._db.execute("PRAGMA synchronous").fetchone() == (level,)
        spool.close()


def test_a_file_that_is_none_is_told_and_set_aside(tmp_path: Path, caplog) -> None:
    content = b"Dear Sir" * 2000
    other = tmp_path / "s.db"
    other.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        spool = Spool(other, PLENTY)
    fill(spool, 2)
    spool.close()
    (aside,) = tmp_path.glob("s.db.broken-*")
    assert aside.read_bytes() == content
    assert aside.name in caplog.text


def test_another_programs_database_is_set_aside(tmp_path: Path, caplog) -> None:
    other = sqlite3.connect(tmp_path / "s.db")
    other.execute("CREATE TABLE letters (text TEXT)")
    other.close()
    spool = Spool(tmp_path / "s.db", PLENTY)
    spool.close()
    assert len(list(tmp_path.glob("s.db.broken-*"))) == 1


def test_a_spool_whose_middle_is_overwritten_is_set_aside_or_says_what_is_damaged(tmp_path: Path, caplog) -> None:
    path = tmp_path / "s.db"
    spool = Spool(path, PLENTY)
    fill(spool, 50, 3000)
    spool.close()
    data = bytearray(path.read_bytes())
    data[database.PAGE * 3 :] = os.urandom(len(data) - database.PAGE * 3)
    path.write_bytes(data)
    again = Spool(path, PLENTY)
    assert len(kept(again)) < 50
    fill(again, 3)
    assert len(list(again.between(again.next - 3, again.next - 1))) == 3
    assert "broken" in caplog.text or again.damaged
    again.close()


def test_a_payload_that_changed_on_the_disk_is_not_given_out(tmp_path: Path, caplog) -> None:
    path = tmp_path / "s.db"
    spool = Spool(path, PLENTY)
    fill(spool, 3)
    spool.add((b"header", b"a payload to be found"), 21)
    fill(spool, 2)
    spool.close()
    data = path.read_bytes()
    assert data.count(b"a payload to be found") == 1
    path.write_bytes(data.replace(b"a payload to be found", b"a payload to be fouMd"))
    again = Spool(path, PLENTY)
    assert kept(again) == [0, 1, 2, 4, 5]
    assert (again.damaged, again.kept_from(3), again.next) == (1, 4, 6)
    assert "message 3 is damaged" in caplog.text
    again.close()


def test_one_of_a_later_format_is_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", PLENTY)
    spool._run("PRAGMA user_version = 99")
    spool.close()
    with pytest.raises(InputError, match="format 99"):
        Spool(tmp_path / "s.db", PLENTY)
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


def test_one_process_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    spool = Spool(tmp_path / "s.db", PLENTY)
    with pytest.raises(UnavailableError, match="another process uses this spool"):
        Spool(tmp_path / "s.db", PLENTY)
    fill(spool, 1)
    spool.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="spool"):
        Spool(tmp_path / "file" / "s", PLENTY)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from weft.core.errors import OutputError
from weft.stream.base import SpoolOptions
from weft.stream.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(Path(sys.argv[1]), SpoolOptions())
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
count = 0
try:
    while True:
        spool.add((b'h', bytes(20_000)), 20_000)
        count += 1
except OutputError as error:
    print(count, spool.next, len(list(spool.between(0, 10**6))), str(error).splitlines()[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.add((b'h', bytes(20_000)), 20_000)
print(spool.next)
"""


def test_a_disk_that_is_full_is_told_and_nothing_half_written_stays(tmp_path: Path) -> None:
    """A limit on file sizes stands in for a full disk: the same writes fail."""
    ran = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path / "s"], capture_output=True, text=True, check=True)
    first, second = ran.stdout.splitlines()
    count, following, found, told = first.split(maxsplit=3)
    assert int(count) == int(following) == int(found) > 3
    assert "the spool fails" in told
    assert int(second) == int(count) + 1  # it goes on when there is room again


def test_each_stream_and_scope_has_its_own_file() -> None:
    keys = ("weft/site/a/b", "weft/site/a.b", "weft/@all/a/b", "weft/north/a/b")
    options = SpoolOptions(Path("folder"))
    assert len({spool_path(options, key).name for key in keys}) == 4
    assert all(spool_path(options, key).parent == Path("folder") for key in keys)
