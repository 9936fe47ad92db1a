"""What an ABI is: how a host recognises a guest, starts it, and gives it a frame.

A foreign ABI is one file in this folder with one subclass of :class:`Abi`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.wasm.program import Program
from weft.wasm.state import GuestState


class Guest(Protocol):
    """A started guest."""

    @property
    def state(self) -> GuestState | None:
        """The state of its instance, where it has one now; its handler keeps or throws away what a frame wrote."""

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What it emits for a frame. Raises GuestError."""

    def close(self) -> None:
        """End it."""


class Abi:
    """How guests of one kind are called.

    Class attributes:
        name: what ``abi:`` and ``--abi`` say.
        summary: one line for people.
        priority: among the ABIs that match, the one with the highest wins.
        one_shot: a guest handles one frame and is then over.
        needs: the exports it calls, with their wasm types; "A | B" where either will do.
        may_have: the exports it calls where they are there.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    priority: ClassVar[int] = 0
    one_shot: ClassVar[bool] = False
    needs: ClassVar[Mapping[str, str]] = {}
    may_have: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def matches(cls, exports: frozenset[str], imports: frozenset[str]) -> bool:
        """True when a module with these exported functions and imported modules is of this kind."""
        return cls.needs.keys() <= exports

    @classmethod
    def check(cls, program: Program) -> None:
        """Refuse, with the cure, a function that can never be called. Raises ModuleError or UsageError."""

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> Guest:
        """Start an instance on this thread. Raises GuestError, MemoryLimitError."""
        raise NotImplementedError
