"""What a durable publisher sends, on disk before it is sent: it outlives a crash and a link that is cut.

One SQLite file per stream holds the publisher's own number, so that it is the same one after a restart, and its
messages within bounds. A message is complete or not there. When :meth:`Spool.add` returns, the message outlives the
process; whether it outlives a power cut at that moment as well is the choice of ``sync``.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from zlib import crc32

from weft.core.clock import now_ns
from weft.core.errors import OutputError
from weft.core.paths import state_dir
from weft.core.units import format_size
from weft.stream.base import SpoolOptions
from weft.stream.database import FileKind, boot, is_broken, open_database, told

RESERVED = 1024
"""Numbers that are set aside at once, on disk for good: after a power cut none is given out a second time."""

OVERHEAD = 64
"""Bytes that a message takes beside its header and payload, about."""

SPOOL = FileKind(
    "spool",
    0x57534C31,
    (
        "CREATE TABLE about (publisher INTEGER NOT NULL, made_ns INTEGER NOT NULL, next INTEGER NOT NULL,"
        " reserved INTEGER NOT NULL, boot TEXT NOT NULL) STRICT",
        "CREATE TABLE messages (number INTEGER PRIMARY KEY, added_ns INTEGER NOT NULL, size INTEGER NOT NULL,"
        " sum INTEGER NOT NULL, header BLOB NOT NULL, payload BLOB NOT NULL) STRICT",
    ),
    ("SELECT * FROM about", "SELECT sum(size), max(added_ns) FROM messages"),
)

NEVER_NS = 2**63 - 1
"""When the oldest message was added, where there is none."""

Message = tuple[bytes, bytes]
"""A header and a payload."""

log = logging.getLogger("weft.stream")


def spool_path(options: SpoolOptions, key: str) -> Path:
    """The file for the stream with this key. Raises UnavailableError where there is no place of this user's."""
    folder = options.folder if options.folder is not None else state_dir() / "spool"
    return folder / f"{key.replace('/', '+')}.db"  # no part of a key has a '+'


class _Surplus(NamedTuple):
    """What has to go: all before a number, how many bytes, and how many messages."""

    before: int
    bytes: int
    messages: int


class Spool:
    """The messages of one durable publisher. Any thread may use it.

    Attributes:
        publisher: the publisher's number, 0 to 2**63 - 1, kept over restarts.
        age_s: how long ago the spool was made, when it was opened.
        forgotten: messages that were dropped because they were too many or too old, since it was opened.
        refused: messages there was no room for, since it was opened.
        damaged: messages that could not be read again, since it was opened.
    """

    def __init__(self, path: Path, options: SpoolOptions) -> None:
        """Open the spool, or make it. Raises as :func:`weft.stream.database.open_database`."""
        self.path = path
        self.forgotten = self.refused = self.damaged = 0
        self._options = options
        self._lock = Lock()
        self._db = open_database(path, SPOOL)
        self._next: int
        self._reserved: int
        self.publisher, made_ns = self._about()
        self.age_s = max(0.0, (now_ns() - made_ns) / 1e9)
        if options.sync:
            self._run("PRAGMA synchronous = FULL")
        first, self._bytes = self._row("SELECT min(number), total(size) FROM messages")
        self._oldest = self._next if first is None else int(first)
        self._oldest_ns = self._added_ns(self._oldest)

    @property
    def next(self) -> int:
        """The number of the message that comes next."""
        return self._next

    @property
    def last(self) -> Message | None:
        """The newest message."""
        return next((message for _, message in self.between(self._next - 1, self._next - 1)), None)

    def add(self, message: Message, size: int) -> None:
        """Keep a message of ``size`` bytes. When this returns, it outlives the process.

        Raises OutputError where it cannot be kept: then nothing of it is.
        """
        header, payload = message
        size += OVERHEAD
        with self._lock:
            if self._next >= self._reserved:
                self._reserve(self._next + RESERVED)
            now = now_ns()
            surplus = self._surplus(size, now)
            with self._transaction():
                if surplus is not None:
                    self._run("DELETE FROM messages WHERE number < ?", surplus.before)
                self._run(
                    "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)",
                    *(self._next, now, size, crc32(payload, crc32(header)), header, payload),
                )
            self._next += 1
            self._bytes += size
            if surplus is not None:
                self._forget(surplus)
            self._oldest_ns = min(self._oldest_ns, now)

    def between(self, first: int, last: int) -> Iterator[tuple[int, Message]]:
        """The messages with the numbers ``first`` to ``last``, as far as they are kept, with their numbers."""
        for number in range(max(first, self._oldest), min(last, self._next - 1) + 1):
            if (message := self._read(number)) is not None:
                yield number, message

    def kept_from(self, number: int) -> int:
        """The first number that is kept from ``number`` on; that of the next message where none is."""
        with self._lock:
            (found,) = self._row("SELECT min(number) FROM messages WHERE number >= ?", number)
        return max(number, self._next) if found is None else int(found)

    def close(self) -> None:
        """Close the file, all of it on disk."""
        with self._lock:
            try:
                self._reserve(self._next)
            finally:
                self._db.close()

    # --- helpers -----------------------------------------------------------------------

    def _about(self) -> tuple[int, int]:
        """Begin, or go on where the last process stopped. The publisher's number, and when the spool was made."""
        found = self._row("SELECT publisher, made_ns, next, reserved, boot FROM about")
        if found is None:
            found = (secrets.randbits(63), now_ns(), 0, 0, boot())
            self._run("INSERT INTO about VALUES (?, ?, ?, ?, ?)", *found)
        publisher, made_ns, following, self._reserved, booted = found
        (newest,) = self._row("SELECT max(number) FROM messages")
        self._next = following if newest is None else max(following, int(newest) + 1)
        if booted != boot() or not booted:
            # What was added last before a power cut may be missing here, and have reached somebody all the same.
            self._next = max(self._next, self._reserved)
            self._run("UPDATE about SET boot = ?, next = ?", boot(), self._next)
        return publisher, made_ns

    def _reserve(self, until: int) -> None:
        """Set numbers aside, on disk whatever happens to the machine; with it everything that was added before."""
        self._run("PRAGMA synchronous = FULL")
        self._run("UPDATE about SET reserved = ?, next = ?", until, self._next)
        if not self._options.sync:
            self._run("PRAGMA synchronous = NORMAL")
        self._reserved = until

    def _surplus(self, size: int, now: int) -> _Surplus | None:
        """What must go for one more message; None: nothing.

        Raises OutputError when the oldest may not go, or not even all of them would make enough room.
        """
        options, expired = self._options, now - round(self._options.max_age_s * 1e9)
        if self._bytes + size <= options.max_bytes and self._oldest_ns >= expired:
            return None
        if size > options.max_bytes:
            raise self._full(f"a message of {format_size(size)} is more than it may ever hold")
        before, freed, count = self._oldest, 0, 0
        while (
            row := self._row("SELECT number, added_ns, size FROM messages WHERE number >= ? LIMIT 1", before)
        ) is not None:
            number, added_ns, held = row
            if added_ns >= expired:
                if self._bytes - freed + size <= options.max_bytes:
                    break
                if options.when_full == "refuse":
                    raise self._full("the oldest of what it holds is not old enough to go")
            before, freed, count = number + 1, freed + held, count + 1
        return _Surplus(before, freed, count)

    def _forget(self, surplus: _Surplus) -> None:
        self._oldest = surplus.before
        self._bytes -= surplus.bytes
        self.forgotten += surplus.messages
        self._oldest_ns = self._added_ns(self._oldest)

    def _added_ns(self, number: int) -> int:
        found = self._row("SELECT added_ns FROM messages WHERE number >= ? LIMIT 1", number)
        return NEVER_NS if found is None else int(found[0])

    def _full(self, why: str) -> OutputError:
        self.refused += 1
        most = format_size(self._options.max_bytes)
        cure = "give it more room or less time (--spool-size, --spool-age), or let the oldest go"
        return OutputError(f"the spool of {most} is full: {why}", where=str(self.path), cure=cure)

    def _read(self, number: int) -> Message | None:
        """One message; None for one that is not there, or damaged, which is then dropped and counted."""
        with self._lock:
            try:
                row = self._db.execute(
                    "SELECT sum, header, payload FROM messages WHERE number = ?", (number,)
                ).fetchone()
            except sqlite3.Error as error:
                if not is_broken(error):
                    raise told(error, self.path, SPOOL) from error
                row = (None, b"", b"")
            if row is None:
                return None
            found, header, payload = row
            if found == crc32(payload, crc32(header)):
                return header, payload
            self._drop_damaged(number)
            return None

    def _drop_damaged(self, number: int) -> None:
        self.damaged += 1
        log.warning("%s: message %d is damaged, and lost", self.path, number)
        self._run("UPDATE about SET next = ?", self._next)  # the number is not given out again
        self._run("DELETE FROM messages WHERE number = ?", number)
        (self._bytes,) = self._row("SELECT total(size) FROM messages")

    def _run(self, statement: str, *values: object) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise told(error, self.path, SPOOL) from error

    def _row(self, statement: str, *values: object) -> Any:
        try:
            return self._db.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise told(error, self.path, SPOOL) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
