"""Saved files are told, however an editor saves them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from weft.core.errors import UnavailableError
from weft.dev import watch as module
from weft.dev.watch import Watch

PATIENCE_S = 10.0


class Told:
    """A watch with what it told."""

    def __init__(self) -> None:
        self.changes: SimpleQueue[frozenset[Path]] = SimpleQueue()
        self.watch = Watch(self.changes.put)

    def until(self, *wanted: Path) -> int:
        """Wait until all these were told; how many changes that took."""
        left, count = set(wanted), 0
        while left:
            left -= self.changes.get(timeout=PATIENCE_S)
            count += 1
        return count


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told()
    told.watch.follow([tmp_path])
    yield told
    told.watch.close()


def in_place(path: Path) -> None:
    path.write_text("new")


def by_rename(path: Path) -> None:
    """As vim and most editors do."""
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text("new")
    beside.replace(path)


def by_moving_away(path: Path) -> None:
    """As others do: the old one becomes the backup."""
    path.replace(path.with_name(f"{path.name}~"))
    path.write_text("new")


def by_touching(path: Path) -> None:
    os.utime(path)


def by_linking(path: Path) -> None:
    """As Kubernetes does for its volumes."""
    target = path.with_name("target")
    target.write_text("new")
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize("save", [in_place, by_rename, by_moving_away, by_touching, by_linking, Path.unlink])
def test_a_saved_file_is_told(tmp_path: Path, save: Callable[[Path], None]) -> None:
    path = tmp_path / "function.c"
    path.write_text("old")
    told = Told()
    told.watch.follow([tmp_path])
    save(path)
    told.until(path)
    told.watch.close()


def test_several_files_at_once_are_one_change(told: Told, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.c" for number in range(20)]
    for file in files:
        file.write_text("x")
    assert told.until(*files) <= 2  # two where the machine paused between two of them


def test_what_lies_deeper_is_not_told(told: Told, tmp_path: Path) -> None:
    deep = tmp_path / "target" / "made.o"
    deep.parent.mkdir()
    told.until(deep.parent)
    deep.write_text("x")
    marker = tmp_path / "marker"
    marker.write_text("x")
    while True:
        change = told.changes.get(timeout=PATIENCE_S)
        assert deep not in change
        if marker in change:
            break


def test_another_set_of_folders_is_followed_without_missing_a_change(told: Told, tmp_path: Path) -> None:
    inner = tmp_path / "src"
    inner.mkdir()
    told.until(inner)
    for number in range(5):
        file = tmp_path / f"{number}.c"
        file.write_text("x")
        told.watch.follow([tmp_path, inner] if number % 2 == 0 else [tmp_path])
        told.until(file)
    told.watch.follow([tmp_path, inner])
    (inner / "deep.c").write_text("x")
    told.until(inner / "deep.c")


def test_folders_that_are_not_there_are_left_out(told: Told, tmp_path: Path) -> None:
    told.watch.follow([tmp_path, tmp_path / "nowhere"])
    (tmp_path / "file").write_text("x")
    told.until(tmp_path / "file")


def test_after_close_nothing_runs_and_nothing_is_told(tmp_path: Path) -> None:
    told = Told()
    told.watch.follow([tmp_path])
    told.watch.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "weft-watch"]
    (tmp_path / "file").write_text("x")
    assert told.changes.empty()


def test_a_folder_that_never_rests_does_not_keep_a_watch_from_ending(told: Told, tmp_path: Path) -> None:
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.002):
            (tmp_path / "log").write_text("x")

    writer = threading.Thread(target=write)
    writer.start()
    told.until(tmp_path / "log")
    told.watch.close()
    over.set()
    writer.join()


def test_a_system_that_watches_no_more_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", refuse)
    with pytest.raises(UnavailableError, match="watch limit reached") as caught:
        module.Watch(lambda paths: None).follow([tmp_path])
    assert "max_user_watches" in caught.value.cure
