"""Function: a module with its grants, limits and models, from which instances are made."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from weft.core.errors import GuestFailed, UsageError
from weft.core.frame import Frame
from weft.core.limits import CAPABILITIES
from weft.core.suggest import did_you_mean
from weft.wasm.abi.base import Abi, Guest, Terminal
from weft.wasm.abi.detect import choose
from weft.wasm.program import Program, Settings
from weft.wasm.source import load_module

InstancePolicy = Literal["reuse", "fresh"]


class Function:
    """A function ready to be instantiated, any number of times and on any thread.

    Attributes:
        settings: its name, grants, limits, models and config.
        abi: how it is called.
        policy: ``reuse`` keeps an instance for the next frame and replaces it after a trap; ``fresh`` makes a
            new one for every frame.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        *,
        abi: str | None = None,
        policy: InstancePolicy = "reuse",
        trust: bool = False,
    ) -> None:
        """Load, check and link the module.

        Raises NotFoundError, ModuleError (no wasm, unknown import, no ABI), DeniedError, UsageError.
        """
        _check_grants(settings)
        module = load_module(path, trust=trust)
        self.settings = settings
        self.policy = policy
        self.abi: type[Abi] = choose(abi, module.raw, path)
        self.program = Program(module, settings)
        imports = frozenset(imported.module for imported in module.raw.imports)
        for host in {slot.host for slot in self.program.slots}:
            host.check(settings, imports)
        self.abi.check(self.program)

    def instance(self, terminal: Terminal | None = None) -> FunctionHandler:
        """A handler with an instance of its own, for one thread at a time (not the main one)."""
        return FunctionHandler(self, terminal)


class FunctionHandler:
    """Handles frames with one instance, replaced as the policy says (a :class:`weft.core.protocols.Handler`).

    Attributes:
        replaced: instances that were thrown away after a failure.
    """

    def __init__(self, function: Function, terminal: Terminal | None = None) -> None:
        self._function = function
        self._terminal = terminal
        self._keep = function.policy == "reuse" and not function.abi.one_shot
        self._guest: Guest | None = None
        self.replaced = 0

    def start(self) -> None:
        """Start the instance before the first frame. Raises GuestError."""
        refuse_main_thread(self._function.settings.name)
        if self._guest is None:
            self._guest = self._function.abi.start(self._function.program, self._terminal)

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What the function emits for a frame. Raises GuestError; the next frame gets a sound instance."""
        self.start()
        assert self._guest is not None
        try:
            emitted = self._guest.handle(frame)
        except GuestFailed:
            self._release(keep=self._keep)  # it said no in good order
            raise
        except BaseException:
            self.replaced += 1
            self._release(keep=False)
            raise
        self._release(keep=self._keep)
        return emitted

    def close(self) -> None:
        """Release the instance."""
        self._release(keep=False)

    def _release(self, *, keep: bool) -> None:
        if not keep and self._guest is not None:
            guest, self._guest = self._guest, None
            guest.close()


def refuse_main_thread(name: str) -> None:
    """A KeyboardInterrupt inside a guest would tear through wasm frames: guests run on other threads."""
    if threading.get_ident() == threading.main_thread().ident:
        raise UsageError(
            "a guest cannot run on the main thread", where=name, cure="use weft.load(), or a thread of your own"
        )


def _check_grants(settings: Settings) -> None:
    for capability in settings.grants.allow:
        if capability not in CAPABILITIES:
            raise UsageError(
                f"no capability '{capability}' to allow",
                where=settings.name,
                cure=did_you_mean(capability, CAPABILITIES) or f"one of {', '.join(CAPABILITIES)}",
            )
