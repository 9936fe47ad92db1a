"""Which processes of this user serve metrics, and where: a small file each, in ``running`` of the state folder.

The file goes when its process ends in good order. One that was killed leaves it behind; it is then ignored, and removed
by the next one that looks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from weft.core.errors import OutputError
from weft.core.paths import state_dir
from weft.flow.faults import log

MAX_FILE = 16 * 1024
_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


@dataclass(frozen=True, slots=True)
class Announced:
    """A process that serves metrics.

    Attributes:
        pid: its number.
        born: when it was born, as the system counts; tells it from a later one with its number.
        name: of its pipeline.
        metrics: ``host:port``.
    """

    pid: int
    born: str
    name: str
    metrics: str


@contextmanager
def announced(name: str, address: str) -> Iterator[None]:
    """Let ``weft top`` find this process while the block runs. A folder that cannot be written is told, no more."""
    try:
        path = _write(name, address)
    except OutputError as error:
        log.warning("weft top will not find this pipeline by itself: %s", error)
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def found() -> list[Announced]:
    """The processes that serve metrics now, in the order in which they began to; files of others are removed."""
    folder = _folder()
    paths = sorted(folder.glob("*.json"), key=_age) if folder.is_dir() else []
    return [process for path in paths if (process := _read(path)) is not None]


def _folder() -> Path:
    return state_dir() / "running"


def _write(name: str, address: str) -> Path:
    host, _, port = address.rpartition(":")
    told = Announced(os.getpid(), _born(os.getpid()), name, f"{_UNSPECIFIED.get(host, host)}:{port}")
    path = _folder() / f"{told.pid}-{port}.json"
    partial = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_text(json.dumps(asdict(told)))
        partial.replace(path)
    except OSError as error:
        cure = "check its owner and that the disk has room"
        raise OutputError(f"cannot be written: {error.strerror}", where=str(path), cure=cure) from error
    return path


def _read(path: Path) -> Announced | None:
    try:
        with path.open("rb") as file:
            told = Announced(**json.loads(file.read(MAX_FILE)))
        alive = told.born == _born(int(told.pid))
    except OSError:
        return None  # it has just ended
    except (ValueError, TypeError):
        alive = False
    if not alive:
        log.debug("%s is of a process that is gone", path)
        with suppress(OSError):
            path.unlink()
        return None
    return told


def _born(pid: int) -> str:
    """When a process was born, in ticks since the machine started; empty when there is none of that number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # the 22nd field, of which the second may hold anything


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
