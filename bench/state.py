"""State: what a call of it costs, and what a frame that keeps something costs, beside one that does not."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bench.harness import Result, alternate, medians
from bench.sandbox import on_thread
from weft.core.frame import Frame
from weft.core.limits import Grants, StateGrant
from weft.flow.functions import FunctionOptions, load_module_function
from weft.wasm.function import FunctionHandler

CALLS = 500
FRAMES = 50
ROUNDS = 21
GOALS_US = {"get": 30.0, "put": 60.0, "frame": 150.0}

_GUEST = """
(module
  (import "weft" "frame_sequence" (func $count (result i64)))
  (import "weft" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "weft" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) "key")
  (func (export "weft_handle") (result i32) (local $left i64)
    (local.set $left (call $count))
    (block $done (loop $next
      (br_if $done (i64.eqz (local.get $left)))
      {calls}
      (local.set $left (i64.sub (local.get $left) (i64.const 1)))
      (br $next)))
    (i32.const 0)))
"""
"""Makes its calls as often as its frame's sequence says."""

_CALL = "(drop (call {} (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 100)))"
_KINDS = {"get": ("$get",), "put": ("$put",), "frame": ("$get", "$put")}


def run() -> Iterator[Result]:
    """A get, a put, and a frame that does one of each and is kept; values of 100 bytes."""
    yield from on_thread(lambda: list(measure()))


def measure() -> Iterator[Result]:
    """Each with the cost of a frame that does nothing taken off."""
    with tempfile.TemporaryDirectory() as name, closing(_database(Path(name) / "plain.db")) as plain:
        handlers = {kind: _handler(Path(name), kind) for kind in _KINDS}
        taken = alternate(
            ROUNDS,
            nothing=_frames(handlers["frame"], 0),
            frame=_frames(handlers["frame"], 1),
            sqlite=lambda: _transactions(plain),
            **{kind: _frames(handlers[kind], CALLS, 1) for kind in ("get", "put")},
        )
        for handler in handlers.values():
            handler.close()
    each = medians(taken, FRAMES, 1e6)
    for kind in ("get", "put"):
        cost = (each[kind] * FRAMES - each["frame"]) / CALLS
        yield Result(f"state: one state_{kind}", round(cost, 2), "µs", GOALS_US[kind], "lower")
    cost = each["frame"] - each["nothing"]
    detail = {"frame_us": each["frame"], "frame_without_us": each["nothing"], "sqlite_alone_us": each["sqlite"]}
    yield Result("state: a frame that gets, puts and is kept", round(cost, 1), "µs", GOALS_US["frame"], "lower", detail)


def _handler(folder: Path, kind: str) -> FunctionHandler:
    module = folder / f"{kind}.wat"
    module.write_text(_GUEST.format(calls=" ".join(map(_CALL.format, _KINDS[kind]))))
    grants = Grants(state=StateGrant(folder / f"{kind}.db"))
    return load_module_function(module, FunctionOptions(grants=grants)).instance()


def _frames(handler: FunctionHandler, calls: int, frames: int = FRAMES) -> Callable[[], None]:
    def work() -> None:
        for _ in range(frames):
            handler.handle(Frame(b"", sequence=calls))

    return work


def _database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE state (key BLOB PRIMARY KEY, value BLOB)")
    return connection


def _transactions(connection: sqlite3.Connection) -> None:
    """The same work, by SQLite from Python."""
    for _ in range(FRAMES):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT value FROM state WHERE key = ?", (b"key",)).fetchone()
        connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (b"key", bytes(100)))
        connection.execute("COMMIT")
