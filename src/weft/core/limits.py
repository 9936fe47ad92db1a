"""What a function may use (grants) and how much of it (limits)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weft.core.errors import UsageError

MIB = 2**20
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
        handles: graphs and execution contexts an instance may hold open.
        logs: log lines per frame; more are counted and dropped.
    """

    memory: int = 256 * MIB
    time: float = 10.0
    start: float = 30.0
    stdout: int = 16 * MIB
    output: int = 64 * MIB
    emits: int = 1024
    handles: int = 64
    logs: int = 100

    def __post_init__(self) -> None:
        for name in ("memory", "stdout", "output", "emits", "handles"):
            if getattr(self, name) < 1:
                raise UsageError(f"limits.{name} is {getattr(self, name)}", cure="give at least 1")
        for name in ("time", "start"):
            if not getattr(self, name) > 0:
                raise UsageError(
                    f"limits.{name} is {getattr(self, name)}", cure="give seconds above 0, or inf for none"
                )
        if self.memory > MOST_MEMORY:
            raise UsageError(f"limits.memory is {self.memory}", cure=f"give at most {MOST_MEMORY} bytes")


@dataclass(frozen=True, slots=True)
class DirGrant:
    """A directory of the host that the guest sees under ``guest``; read-only unless ``writable``."""

    host: Path
    guest: str
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Grants:
    """What a guest may use beyond computing. Nothing is granted by default.

    Attributes:
        dirs: directories it may open.
        env: its whole environment.
        allow: named capabilities, see ``CAPABILITIES``.
    """

    dirs: tuple[DirGrant, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    allow: frozenset[str] = frozenset()


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
