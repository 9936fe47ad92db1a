"""Where a consumer with a name is in the durable streams it takes: kept in a file, so that it goes on there."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from weft.core.clock import now_ns
from weft.core.errors import OutputError
from weft.core.paths import state_dir
from weft.stream.base import Consumer, Mark
from weft.stream.database import FileKind, open_database, told

MAX_POSITIONS = 4096
"""Publishers whose position is kept; beyond that the one that was not heard of for longest is forgotten."""

log = logging.getLogger("weft.stream")

POSITIONS = FileKind(
    "consumer's position",
    0x57434F31,
    (
        "CREATE TABLE positions (publisher INTEGER PRIMARY KEY, stream TEXT NOT NULL, next INTEGER NOT NULL,"
        " handed INTEGER NOT NULL, heard_ns INTEGER NOT NULL) STRICT",
    ),
    ("SELECT * FROM positions",),
)


@dataclass(slots=True)
class _Position:
    """What is before ``next`` was delivered for good; what is before ``handed`` was given out at least once.

    ``open`` holds, in order, what was given out and is not known to be delivered; ``given`` is what comes after the
    last frame that this process gave out.
    """

    stream: str
    next: int
    handed: int
    heard_ns: int
    given: int = 0
    open: dict[int, None] = field(default_factory=dict)


class Positions:
    """The positions of one consumer. Any thread may use it; only :meth:`save` and :meth:`hand` touch the file."""

    def __init__(self, consumer: Consumer) -> None:
        """Raises as :func:`weft.stream.database.open_database`."""
        folder = consumer.folder if consumer.folder is not None else state_dir() / "consumers"
        self.path: Path = folder / f"{consumer.name}.db"
        self._from_start = consumer.from_start
        self._lock = RLock()
        self._db = open_database(self.path, POSITIONS)
        rows = self._db.execute("SELECT publisher, stream, next, handed, heard_ns FROM positions ORDER BY heard_ns")
        self._known = {publisher: _Position(*rest) for publisher, *rest in rows}
        self._changed: set[int] = set()
        self._forgotten: list[int] = []
        self._open = True
        self._waits = False

    def begin(self, publisher: int, stream: str, new: int) -> int:
        """The number to go on with; ``new`` is what would come next for one who was never there."""
        with self._lock:
            position = self._known.pop(publisher, None)
            if position is None or position.stream != stream:
                first = 0 if self._from_start else new
                position = _Position(stream, first, first, 0)
            position.heard_ns = now_ns()
            position.open.clear()
            while len(self._known) >= MAX_POSITIONS:
                self._forget(next(iter(self._known)))
            self._known[publisher] = position
            self._changed.add(publisher)
            return position.next

    def hand(self, mark: Mark) -> bool | None:
        """This frame is given out next: True where it may have been before, None when this was closed.

        Raises OutputError.
        """
        with self._lock:
            if not self._open:
                return None
            position = self._known.get(mark.publisher)
            if position is None:
                return False  # it was forgotten, being one of too many
            position.open[mark.number] = None
            position.next = next(iter(position.open))
            again = mark.number < position.handed
            position.given = mark.number + 1
            position.handed = max(position.handed, position.given)
            self._changed.add(mark.publisher)
            self._write()
            return again

    def delivered(self, mark: Mark) -> None:
        """This frame need not come again."""
        with self._lock:
            position = self._known.get(mark.publisher)
            if position is not None and mark.number in position.open:
                del position.open[mark.number]
                position.next = next(iter(position.open), position.given)
                self._changed.add(mark.publisher)
            if self._waits:
                self._save_late()

    def save(self) -> None:
        """Write what has changed. Raises OutputError."""
        if self._changed:
            with self._lock:
                if self._open:
                    self._write()

    def close(self, *, wait: bool = False) -> None:
        """Write what has changed, and close the file; nothing more is given out.

        With ``wait`` it is only closed when all that was given out is delivered, or when this is called again.
        """
        with self._lock:
            if not self._open and not self._waits:
                return
            self._open, self._waits = False, wait and self._outstanding()
            try:
                self._write()
            finally:
                if not self._waits:
                    self._db.close()

    @property
    def waits(self) -> bool:
        """True when it was closed, and something that was given out is not delivered yet."""
        return self._waits

    def _outstanding(self) -> bool:
        return any(position.open for position in self._known.values())

    def _save_late(self) -> None:
        """It was closed: nobody comes to save what is still delivered."""
        try:
            self._write()
        except OutputError as error:
            log.warning("what was delivered last may come again: %s", error)
        if not self._outstanding():
            self._waits = False
            self._db.close()

    def _forget(self, publisher: int) -> None:
        del self._known[publisher]
        self._changed.discard(publisher)
        self._forgotten.append(publisher)

    def _write(self) -> None:
        known = self._known
        rows = [(p, known[p].stream, known[p].next, known[p].handed, known[p].heard_ns) for p in tuple(self._changed)]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM positions WHERE publisher = ?", [(p,) for p in self._forgotten])
            self._db.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise told(error, self.path, POSITIONS) from error
        self._changed.clear()
        self._forgotten.clear()
