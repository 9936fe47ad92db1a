"""What an ABI is: how a host recognises a guest and starts it.

A foreign ABI is one file in this folder with one subclass of :class:`Abi`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from weft.core.protocols import Terminal
from weft.wasm.abi.guest import Guest
from weft.wasm.program import Program


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
