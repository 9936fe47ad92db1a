"""SQLite files that outlive a crash: one process uses each, and what is broken is set aside instead of trusted."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weft.core.clock import now_ns
from weft.core.errors import InputError, OutputError, UnavailableError, WeftError

FORMAT = 1
BUSY_S = 2.0
"""How long to wait for another process that has the file: one that was just killed is gone by then."""

PAGE = 8192
BESIDE = ("", "-wal", "-shm")
"""What SQLite appends to a file's name for what belongs to it."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

log = logging.getLogger("weft.stream")


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file.

    Attributes:
        name: what it is, for people.
        magic: SQLite's application_id of such files.
        schema: statements that make its tables.
        checks: queries that read all of the tables, so that they fail where those are broken.
    """

    name: str
    magic: int
    schema: tuple[str, ...]
    checks: tuple[str, ...]


def open_database(path: Path, kind: FileKind) -> sqlite3.Connection:
    """A connection to a file of this kind, for this process alone; any thread may use it, one at a time.

    The file is made where there is none. One that is broken, or is no such file, is renamed, which is told, and a new
    one is made. Committed changes outlive the process; of a failing machine's last ones some may be missing.

    Raises OutputError where none can be made, UnavailableError when another process uses it, InputError for one that a
    later Weft wrote.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _opened(path, kind)
    except (OSError, sqlite3.Error) as error:
        if _code(error) not in _BROKEN:
            raise told(error, path, kind) from error
    _set_aside(path, kind)
    try:
        return _opened(path, kind)
    except (OSError, sqlite3.Error) as error:
        raise told(error, path, kind) from error


def told(error: Exception, path: Path, kind: FileKind) -> WeftError:
    """An error of SQLite's or the system's as one of Weft's."""
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        what = f"another process uses this {kind.name}"
        return UnavailableError(what, where=str(path), cure="end it, or name another place or consumer")
    what = f"the {kind.name} fails: {error}"
    if code in _BROKEN:
        return OutputError(what, where=str(path), cure="start again: it is then set aside, and a new one made")
    return OutputError(what, where=str(path), cure="is its disk full, or read-only?")


def is_broken(error: sqlite3.Error) -> bool:
    """Whether the file is what is wrong."""
    return _code(error) in _BROKEN


def boot() -> str:
    """What tells one run of this machine from the next; empty where the system has no such thing."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _opened(path: Path, kind: FileKind) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    try:
        _prepare(connection, path, kind)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, kind: FileKind) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (magic,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not tables:
        for statement in kind.schema:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {kind.magic}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    elif magic != kind.magic:
        raise _NotOurs(f"it is no {kind.name}")
    elif version > FORMAT:
        what = f"a {kind.name} of format {version}, and this Weft writes {FORMAT}"
        raise InputError(what, where=str(path), cure="use the version of Weft that wrote it")
    connection.execute("COMMIT")
    for query in kind.checks:
        connection.execute(query).fetchall()


class _NotOurs(sqlite3.DatabaseError):
    sqlite_errorcode = sqlite3.SQLITE_NOTADB


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _set_aside(path: Path, kind: FileKind) -> None:
    aside = path.with_name(f"{path.name}.broken-{now_ns() // 10**9}")
    for end in BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").replace(f"{aside}{end}")
    log.warning("%s is no %s, or a broken one: it is now %s, and a new one is begun", path, kind.name, aside.name)
