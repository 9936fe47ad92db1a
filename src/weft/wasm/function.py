"""Function: a module with its grants, limits and models, from which instances are made."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from weft.core.errors import GuestFailed, UsageError
from weft.core.frame import Frame
from weft.core.limits import CAPABILITIES
from weft.core.protocols import Terminal
from weft.core.suggest import did_you_mean
from weft.wasm.abi.base import Abi
from weft.wasm.abi.detect import choose, choose_for_component
from weft.wasm.abi.guest import Guest
from weft.wasm.http.counters import HttpCounters
from weft.wasm.program import Program, Settings
from weft.wasm.source import LoadedComponent, LoadedModule, load
from weft.wasm.state import GuestState, StateCounters

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
        abi: str | type[Abi] | None = None,
        policy: InstancePolicy = "reuse",
        trust: bool = False,
    ) -> None:
        """Load, check and link the module.

        Raises NotFoundError, ModuleError (no wasm, unknown import, no ABI), DeniedError, UsageError.
        """
        _check_grants(settings)
        module = load(path, trust=trust)
        self.settings = settings
        self.policy = policy
        self.abi, self.program = _link(module, settings, abi)
        imports = self.program.interfaces
        for host in {slot.host for slot in self.program.slots}:
            host.check(settings, imports)
        self.abi.check(self.program)

    @property
    def name(self) -> str:
        """Its name in errors and logs."""
        return self.settings.name

    @property
    def time_limit(self) -> float:
        """Seconds it has for a frame."""
        return self.settings.limits.time

    @property
    def uses_terminal(self) -> bool:
        """True for a command."""
        return self.abi.one_shot

    @property
    def takes_frame(self) -> bool:
        """True when it imports the frame; a command that does not reads its standard input."""
        return not self.abi.one_shot or any(slot.host.takes_frame for slot in self.program.slots)

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
        self._program = function.program.with_own_switch()
        self._terminal = terminal
        self._keep = function.policy == "reuse" and not function.abi.one_shot
        self._guest: Guest | None = None
        self.replaced = 0
        self._has_state = function.settings.state is not None
        self._books: tuple[StateCounters, GuestState | None] = StateCounters(), None

    @property
    def counters(self) -> StateCounters | None:
        """What its instances did with their state; None where none was granted. Any thread may look."""
        if not self._has_state:
            return None
        past, state = self._books
        return past if state is None else past + state.counters

    @property
    def http(self) -> HttpCounters | None:
        """What became of its HTTP requests; None where it made none. Any thread may look."""
        counters = self._program.http
        return counters if counters.made else None

    @property
    def digest(self) -> str:
        """SHA-256 of its module."""
        return self._function.program.module.digest

    def start(self) -> None:
        """Start the instance before the first frame. Raises GuestError."""
        refuse_main_thread(self._function.settings.name)
        if self._guest is None:
            self._guest = self._function.abi.start(self._program, self._terminal)
            self._books = self._books[0], self._guest.state

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What the function emits for a frame. Raises GuestError; the next frame gets a sound instance."""
        self.start()
        assert self._guest is not None
        try:
            emitted = self._guest.handle(frame)
            self._keep_state()
        except GuestFailed:
            self._release(keep=self._keep)  # it said no in good order
            raise
        except BaseException:
            self.replaced += 1
            self._release(keep=False)
            raise
        self._release(keep=self._keep)
        return emitted

    def stop(self) -> None:
        """End the guest at its next look at the host, and let none start any more; any thread may ask."""
        self._program.switch.turn(self._function.settings.name)

    def close(self) -> None:
        """Release the instance."""
        self._release(keep=False)
        if self._function.settings.state is not None:
            self._function.settings.state.flush()

    def _keep_state(self) -> None:
        """The frame succeeded, and what it wrote to its state stays."""
        if self._has_state and self._guest is not None and self._guest.state is not None:
            self._guest.state.commit()

    def _release(self, *, keep: bool) -> None:
        guest = self._guest
        if guest is None:
            return
        state = guest.state if self._has_state else None
        if state is not None:
            state.rollback()  # what was not committed by now
        if not keep:
            self._guest = None
            guest.close()
            past = self._books[0]
            self._books = (past if state is None else past + state.counters), None


def refuse_main_thread(name: str) -> None:
    """A KeyboardInterrupt inside a guest would tear through wasm frames: guests run on other threads."""
    if threading.get_ident() == threading.main_thread().ident:
        raise UsageError(
            "a guest cannot run on the main thread", where=name, cure="use weft.load(), or a thread of your own"
        )


def _link(
    module: LoadedModule | LoadedComponent, settings: Settings, abi: str | type[Abi] | None
) -> tuple[type[Abi], Program]:
    if isinstance(module, LoadedModule):
        return choose(abi, module.raw, module.path), Program(module, settings)
    from weft.wasm.component.program import ComponentProgram

    program = ComponentProgram(module, settings)
    return choose_for_component(abi, program.functions, module.path), program


def _check_grants(settings: Settings) -> None:
    for capability in settings.grants.allow:
        if capability not in CAPABILITIES:
            raise UsageError(
                f"no capability '{capability}' to allow",
                where=settings.name,
                cure=did_you_mean(capability, CAPABILITIES) or f"one of {', '.join(CAPABILITIES)}",
            )
