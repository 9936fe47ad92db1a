"""The state of functions, in SQLite: one file, one transaction at a time, whoever asks.

Within a process a lock lets one frame after the other have the file; between processes SQLite does. A commit is
written to the file's log but not forced to the disk: it outlives the process, however that ends, and after a power
cut the last commits may be missing, but never a part of one.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from weft.core.errors import WeftError
from weft.core.limits import StateGrant
from weft.core.units import format_size
from weft.flow.state_file import COUNT, connect, holder, is_busy, told, translated
from weft.flow.state_place import make_own_folder
from weft.wasm.guard import Refusal

BUSY_S = 30.0
"""Seconds a call waits for the state at most, whatever the frame's own time limit."""

log = logging.getLogger("weft.flow")

_WAIT = "let frames that use it do less, or raise limits.time (--timeout)"
_TOTALS = "SELECT bytes, keys FROM totals"
_LOOK_EVERY = 0.05
_POLL_FIRST, _POLL_MOST = 0.0005, 0.02

_files: weakref.WeakValueDictionary[str, StateFile] = weakref.WeakValueDictionary()
_files_lock = threading.Lock()


class FunctionState:
    """The state of one function in its file (a :class:`weft.wasm.state.StateStore`)."""

    def __init__(self, grant: StateGrant) -> None:
        """Open the file, or make it. Raises NotFoundError, InputError, OutputError, UnavailableError."""
        self._grant = grant
        self._file = opened(grant.path)

    def begin(self, give_up: Callable[[], bool]) -> StateTransaction:
        """Wait for the state. Raises Refusal ("busy") after ``BUSY_S``, or when ``give_up`` says so."""
        self._file.take(give_up)
        return StateTransaction(self._file, self._grant)

    def flush(self) -> None:
        """Bring the file itself up to date, unless somebody is using it."""
        self._file.flush()


class StateFile:
    """An open file, shared by all functions of this process that name it. Belongs to one transaction at a time.

    It is closed when nobody refers to it any more.

    Attributes:
        counted: its totals are known to be right.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path)
        self._lock = threading.Lock()
        self.counted = False
        self._inode = path.stat().st_ino
        weakref.finalize(self, self._connection.close)

    def is_still(self) -> bool:
        """False when the file was removed or replaced since it was opened."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def take(self, give_up: Callable[[], bool]) -> None:
        """Have the file to oneself, in this process and among all."""
        until = time.monotonic() + BUSY_S
        while not self._lock.acquire(timeout=_LOOK_EVERY):
            if give_up() or time.monotonic() > until:
                raise Refusal("busy", "the state is in use by another frame", _WAIT)
        try:
            self._begin(give_up, until)
        except BaseException:
            self._lock.release()
            raise

    def flush(self) -> None:
        """Move what stands in the log into the file, so that a copy of the file has it. Never raises."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            log.warning("%s", told(error, self.path))  # the log has it, and is read with the file
        finally:
            self._lock.release()

    def give(self) -> None:
        """Let the next one have it, and roll back what was not committed."""
        try:
            with suppress(sqlite3.Error):  # only where SQLite has rolled back itself, or the process is ending
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        finally:
            self._lock.release()

    def run(self, statement: str, *values: object) -> Any:
        """The first row, or None. Raises the errors of the tree."""
        try:
            return self._connection.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise told(error, self.path) from error

    def _begin(self, give_up: Callable[[], bool], until: float) -> None:
        pause = _POLL_FIRST
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise told(error, self.path) from error
            if give_up() or time.monotonic() > until:
                raise Refusal("busy", f"the state file is in use by {holder(self.path)}", _WAIT)
            time.sleep(pause)
            pause = min(2 * pause, _POLL_MOST)


class StateTransaction:
    """The state while it belongs to one frame (a :class:`weft.wasm.state.Transaction`)."""

    def __init__(self, file: StateFile, grant: StateGrant) -> None:
        self._file = file
        self._grant = grant
        self._totals: tuple[int, int] | None = None
        self._failed: WeftError | None = None

    def get(self, key: bytes) -> bytes | None:
        """A value, with what this transaction wrote."""
        row = self._run("SELECT value FROM state WHERE key = ?", key)
        return None if row is None else row[0]

    def put(self, key: bytes, value: bytes) -> None:
        """Write a value. Raises Refusal ("too_large") over a limit, which changes nothing."""
        if self._grant.value is not None and len(value) > self._grant.value:
            raise _over("value", f"a value of {format_size(len(value))}", format_size(self._grant.value))
        before = self._size_of(key)
        size, keys = self._counted()
        size += len(value) - before if before is not None else len(key) + len(value)
        keys += before is None
        if size > self._grant.size:
            raise _over("size", f"{format_size(size)} of keys and values", format_size(self._grant.size))
        if keys > self._grant.keys:
            raise _over("keys", f"{keys} keys", str(self._grant.keys))
        self._run("INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
        self._totals = size, keys

    def delete(self, key: bytes) -> bool:
        """Delete a key; False where it was not there."""
        before = self._size_of(key)
        if before is None:
            return False
        size, keys = self._counted()
        self._run("DELETE FROM state WHERE key = ?", key)
        self._totals = size - before - len(key), keys - 1
        return True

    def commit(self) -> None:
        """Keep what was written. Raises what failed before, or fails now; then nothing is kept."""
        try:
            if self._failed is not None:
                raise self._failed
            if self._totals is not None:
                self._run("UPDATE totals SET bytes = ?, keys = ?", *self._totals)
            self._run("COMMIT")
            self._file.counted |= self._totals is not None
        finally:
            self._file.give()

    def rollback(self) -> None:
        """Throw away what was written."""
        self._file.give()

    def _run(self, statement: str, *values: object) -> Any:
        """What failed once may have been rolled back by SQLite: nothing of this transaction is kept then."""
        if self._failed is not None:
            raise self._failed
        try:
            return self._file.run(statement, *values)
        except WeftError as error:
            self._failed = error
            raise

    def _size_of(self, key: bytes) -> int | None:
        row = self._run("SELECT length(value) FROM state WHERE key = ?", key)
        return None if row is None else int(row[0])

    def _counted(self) -> tuple[int, int]:
        """Bytes and keys now."""
        if self._totals is None:
            size, keys = self._run(_TOTALS if self._file.counted else COUNT)
            return int(size), int(keys)
        return self._totals


def opened(path: Path) -> StateFile:
    """The file, opened once in this process. Raises as :func:`weft.flow.state_file.connect`."""
    with translated(path), _files_lock:
        make_own_folder(path)
        place = os.path.realpath(path)
        file = _files.get(place)
        if file is None or not file.is_still():
            file = _files[place] = StateFile(path)
        return file


def _over(limit: str, what: str, most: str) -> Refusal:
    option = " (--state FILE:SIZE)" if limit == "size" else ""
    return Refusal("too_large", f"{what}, over its limit of {most}", f"raise grants.state.{limit}{option}")
