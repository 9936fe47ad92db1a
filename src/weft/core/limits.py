"""What a function may use (grants) and how much of it (limits)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path

from weft.core.errors import UsageError
from weft.core.hosts import HostGrant
from weft.core.units import parse_size

MIB = 2**20
_COUNTS = ("emits", "handles", "logs")
MOST_MEMORY = 2**40
"""Bytes; far more than any guest can have, and few enough for the engine to count."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a guest may use. All are on by default; reaching one fails the frame, not the process.

    Attributes:
        memory: bytes of linear memory per instance.
        time: seconds of wall time for one frame, host calls included; ``inf`` for none.
        start: seconds for starting an instance (``_initialize``, ``weft_init``, first inference set-up).
        stdout: bytes a guest may print per frame (for a command, that is its result).
        output: bytes a guest may emit per frame.
        emits: frames a guest may emit per frame.
        handles: graphs and execution contexts an instance may hold open; of a component tensors and errors, too.
        logs: log lines per frame; more are counted and dropped.
        http: bytes of the responses to its HTTP requests, per frame.
    """

    memory: int = 256 * MIB
    time: float = 10.0
    start: float = 30.0
    stdout: int = 16 * MIB
    output: int = 64 * MIB
    emits: int = 1024
    handles: int = 64
    logs: int = 100
    http: int = 16 * MIB

    def __post_init__(self) -> None:
        for name in self.__slots__:
            _check_number(name, getattr(self, name))
        for name in ("memory", "stdout", "output", "emits", "handles", "http"):
            if getattr(self, name) < 1:
                raise UsageError(f"limits.{name} is {getattr(self, name)}", cure="give at least 1")
        for name in ("time", "start"):
            if not getattr(self, name) > 0:
                raise UsageError(
                    f"limits.{name} is {getattr(self, name)}", cure="give seconds above 0, or inf for none"
                )
        if self.memory > MOST_MEMORY:
            raise UsageError(f"limits.memory is {self.memory}", cure=f"give at most {MOST_MEMORY} bytes")


def _check_number(name: str, value: object) -> None:
    whole = name not in ("time", "start")
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        cure = "give a whole number" if whole else "give seconds as a number"
        reader = "parse_size" if name in ("memory", "stdout", "output", "http") else "parse_duration"
        hint = f"; weft.core.units.{reader} reads text" if isinstance(value, str) and name not in _COUNTS else ""
        raise UsageError(f"limits.{name} is {value!r}", cure=cure + hint)


@dataclass(frozen=True, slots=True)
class DirGrant:
    """A directory of the host that the guest sees under ``guest``; read-only unless ``writable``."""

    host: Path
    guest: str
    writable: bool = True


@dataclass(frozen=True, slots=True)
class StateGrant:
    """A file in which a function may keep values, and how much it may keep.

    Attributes:
        path: the file, made when it is not there. Functions that name one file share what is in it.
        size: bytes of all keys and values together.
        value: bytes of one value; as large as all of them together if it is None.
        keys: how many keys.
    """

    path: Path
    size: int = MIB
    value: int | None = None
    keys: int = 10_000

    def __post_init__(self) -> None:
        for name in ("size", "value", "keys"):
            if (given := getattr(self, name)) is not None and given < 1:
                raise UsageError(f"state.{name} is {given}", cure="give at least 1")


@dataclass(frozen=True, slots=True)
class Grants:
    """What a guest may use beyond computing. Nothing is granted by default.

    Attributes:
        dirs: directories it may open.
        env: its whole environment.
        allow: named capabilities, see ``CAPABILITIES``.
        state: where it may keep values from one frame to the next.
        http: the hosts it may make HTTP requests to.
    """

    dirs: tuple[DirGrant, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    allow: frozenset[str] = frozenset()
    state: StateGrant | None = None
    http: tuple[HostGrant, ...] = ()


CAPABILITIES = {"nn.load": "load a model from bytes the guest brings itself"}


def parse_dir(text: str) -> DirGrant:
    """A grant from ``host[:guest][:ro]``; the guest path defaults to the host path as written.

    Raises UsageError for any other form: an empty host would grant the current directory.
    """
    parts = text.split(":")
    writable = parts[-1] != "ro"
    if not writable or parts[-1] == "rw":
        parts.pop()
    if not all(parts) or not 1 <= len(parts) <= 2:
        raise UsageError(f"'{text}' is no directory grant", cure="write HOST[:GUEST][:ro], like data:/data:ro")
    return DirGrant(Path(parts[0]), parts[-1], writable)


def parse_state(text: str) -> StateGrant:
    """A grant from ``file[:size]``, such as ``counter.db:4MiB``.

    Raises UsageError where no file is named.
    """
    path, colon, size = text.rpartition(":")
    try:
        most = parse_size(size) if colon else 0
    except UsageError:
        colon = ""  # a colon in the file's name
    if not (path if colon else text):
        raise UsageError(f"'{text}' is no state grant", cure="write FILE[:SIZE], like counter.db:4MiB")
    return StateGrant(Path(path), size=most) if colon else StateGrant(Path(text))
