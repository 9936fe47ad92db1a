"""A started guest: what a handler asks of it, and what guests share whose one instance lives from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from weft.core.errors import GuestExit
from weft.core.frame import Frame
from weft.wasm.instance import Instance, TimeLimit
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


class ResidentGuest:
    """A guest whose one instance, made and called on the handler's thread, lives from frame to frame.

    An ABI says what is called before the first frame (:meth:`prepare`) and for every frame (:meth:`handle`).
    """

    def __init__(self, instance: Instance) -> None:
        """Prepare it. Raises GuestError, with the instance closed."""
        self.instance = instance
        try:
            self.prepare()
        except BaseException:
            instance.close()
            raise

    @property
    def state(self) -> GuestState:
        """The instance's."""
        return self.instance.state

    def prepare(self) -> None:
        """What comes before the first frame. Raises GuestError."""
        raise NotImplementedError

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What it emits for a frame. Raises GuestError."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the instance."""
        self.instance.close()


def start_runtime(instance: Instance) -> None:
    """The start of a language's runtime: ``_initialize``, or ``_start`` of a module without. Raises GuestError."""
    exports = instance.program.functions
    if "_initialize" in exports:
        instance.call("_initialize", "start")
    elif "_start" in exports:
        run_main(instance, "start")


def run_main(instance: Instance, limit: TimeLimit, main: str = "_start") -> None:
    """Run ``_start``, or another main, to its end. Raises GuestExit for a non-zero exit code, GuestError otherwise."""
    try:
        instance.call(main, limit)
    except GuestExit as end:
        if end.code:
            raise
