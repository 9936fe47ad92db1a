"""State files: SQLite databases that Weft made, opened with care for what was there before."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from weft.core.errors import InputError, NotFoundError, OutputError, UnavailableError, WeftError

APPLICATION = 0x57654674
"""What marks an SQLite file as Weft's own (``PRAGMA application_id``)."""
FORMAT = 1
"""The layout of the tables (``PRAGMA user_version``)."""
OPEN_WITHIN = 5.0
"""Seconds to wait for another process that is just making or changing the file."""

_TABLES = (
    "CREATE TABLE state (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)",
    "CREATE TABLE totals (bytes INTEGER NOT NULL, keys INTEGER NOT NULL)",
    "INSERT INTO totals VALUES (0, 0)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
COUNT = "SELECT ifnull(sum(length(key) + length(value)), 0), count(*) FROM state"
"""Bytes and keys, counted: the table of totals may have been changed by somebody else."""
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_ROOM = "make room on the disk, or name a file on another one"


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write, to a file that is made when it is not there; for any thread, one at a time.

    What is no state file is left as it is. Raises NotFoundError, InputError, OutputError, UnavailableError.
    """
    with translated(path):
        if not _made(path):
            identify(path)
        with _closed_on_error(_connect(path, "mode=rw")) as connection:
            _prepare(connection, path)
        return connection


def reader(path: Path) -> sqlite3.Connection:
    """A connection for looking at a state file that may be in use. Raises as :func:`connect`."""
    identify(path)
    return _connect(path, "mode=rw")  # it only reads, but may tidy up after a process that was killed


def identify(path: Path) -> None:
    """Raise what speaks against a file, without changing anything; an empty one will do."""
    with translated(path):
        if not path.exists():
            raise NotFoundError("there is no such state file", where=str(path), cure="check the path")
        how = "mode=ro" if _beside(path, "-wal").exists() else "immutable=1"  # which needs no files beside it
        with closing(_connect(path, how)) as connection:
            _check(connection, path)


def is_empty(connection: sqlite3.Connection) -> bool:
    """True for a database without a table."""
    with closing(connection.execute("SELECT count(*) FROM sqlite_master")) as rows:
        return not rows.fetchone()[0]


def check_folder(path: Path) -> None:
    """Raises NotFoundError where the folder of a state file is not there."""
    if not path.parent.is_dir():
        cure = "make the folder first, or name another file"
        raise NotFoundError("the state file's folder is not there", where=str(path), cure=cure)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors, and the system's, as errors of the tree."""
    try:
        yield
    except sqlite3.Error as error:
        raise told(error, path) from error
    except OSError as error:
        raise OutputError(
            f"the state file cannot be opened: {error.strerror}",
            where=str(path),
            cure="name a file that may be read and written, in a folder that may be",
        ) from error


def is_busy(error: sqlite3.Error) -> bool:
    """True where another process has the file."""
    return _code(error) in _BUSY


def told(error: sqlite3.Error, path: Path) -> WeftError:
    """The error of the tree for one of SQLite's."""
    where, code = str(path), _code(error)
    if code in _BUSY:
        return UnavailableError(
            f"the state file is in use by {holder(path)}",
            where=where,
            cure="wait for it or stop it, or use another file",
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        what = "is no state file" if code == sqlite3.SQLITE_NOTADB else "the state file is damaged"
        return InputError(what, where=where, cure="name another file, or move this one away to begin anew")
    if code == sqlite3.SQLITE_FULL:
        return OutputError("the state cannot be written: the disk is full", where=where, cure=_ROOM)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        what = f"the state file cannot be opened for writing: {error}"
        cure = "it and its folder must be writable: SQLite keeps files ending in -wal and -shm beside it"
        return OutputError(what, where=where, cure=cure)
    what = f"the state file cannot be read or written: {error}"
    return OutputError(what, where=where, cure="look at the disk, its room and its quotas")


def holder(path: Path) -> str:
    """Who has the state file locked, as far as the system tells (Linux does, for processes it lets us see)."""
    with suppress(OSError, ValueError, IndexError):
        inodes = {file.stat().st_ino for file in (path, _beside(path, "-shm")) if file.exists()}
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            pid, inode = int(words[-4]), int(words[-3].rpartition(":")[2])
            if "WRITE" in words and inode in inodes and pid not in (0, os.getpid()):
                return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    return "another process"


def _beside(path: Path, ending: str) -> Path:
    """A file that SQLite keeps beside its own."""
    return Path(f"{path}{ending}")


def _made(path: Path) -> bool:
    """Make an empty file that only this user may read; False where one is there."""
    check_folder(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def _connect(path: Path, how: str) -> sqlite3.Connection:
    if not path.is_file():
        raise InputError("is no file", where=str(path), cure="name a file for the state")
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=OPEN_WITHIN,
        isolation_level=None,
        check_same_thread=False,
    )


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises InputError for a database of another program, or of a newer version."""
    application, version = _number(connection, "application_id"), _number(connection, "user_version")
    if application == APPLICATION and version > FORMAT:
        raise InputError(
            f"was written by a newer Weft: its format is {version}, and this one knows {FORMAT}",
            where=str(path),
            cure="update Weft, or name another file",
        )
    if application != APPLICATION and not is_empty(connection):
        what = "is a database of another program, and no state file"
        raise InputError(what, where=str(path), cure="name another file; this one is left as it is")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Tables where there are none, which nobody sees half made; of those that are there every page is looked at."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if is_empty(connection):
        _make_tables(connection, path)
    connection.execute(COUNT).fetchone()
    connection.execute("PRAGMA busy_timeout = 0")


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    _check(connection, path)
    if is_empty(connection):  # still
        for statement in _TABLES:
            connection.execute(statement)
    connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    with closing(connection.execute(f"PRAGMA {pragma}")) as rows:
        return int(rows.fetchone()[0])


def _code(error: sqlite3.Error) -> int:
    """The primary result code, or 0 where Python itself objects."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
