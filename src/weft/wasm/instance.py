"""Instance: one running copy of a program, with its memory, its limits and the frame it works on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import wasmtime

from weft.core.errors import ModuleError, UsageError, WeftError
from weft.core.frame import Frame
from weft.core.text import visible
from weft.wasm import faults, native
from weft.wasm.emitted import Emitted
from weft.wasm.engine import engine
from weft.wasm.host.base import HostPart
from weft.wasm.memory import GuestMemory
from weft.wasm.native import HostCall, Number
from weft.wasm.output import NO_OUTPUT, GuestLog, LoggedOutput, Output
from weft.wasm.program import Program
from weft.wasm.state import GuestState
from weft.wasm.store import GuestCall, Store

MAX_NOTES = 8
"""Reasons kept per frame for the error a person reads; later ones are counted."""

MAX_NOTE = 1024
"""Characters of one reason; the rest is cut."""

NO_FRAME = Frame(b"", time_ns=0)

TimeLimit = Literal["time", "start", "none"]
"""Which of the function's limits a call runs under."""

Part = TypeVar("Part", bound=HostPart)

MakeOutput = Callable[["Instance", GuestLog], Output]


class Instance:
    """A program's memory and state. Make it, call it and close it on one thread, and never on the main one.

    Attributes:
        memory: the guest's memory, bounds-checked.
        frame: the frame being handled.
        emitted: what the guest emitted for it.
        state: the values it may keep.
        limit: the time limit of the call that runs, or ran last.
        born_with: bytes of memory it started with.
        born: when it was made, as ``time.monotonic_ns`` has it; the guest's monotonic clock starts here.
    """

    def __init__(self, program: Program, stdin: bytes | str | None = b"", *, output: MakeOutput | None = None) -> None:
        """``stdin`` is the guest's input: bytes, the path of a pipe, or None for the process's own.

        ``output`` makes what takes the guest's standard output and error; without it they are logged.
        Raises GuestError when the module does not start.
        """
        self.program = program
        self.settings = program.settings
        self.log = GuestLog(self.settings.name, self.settings.limits.logs)
        self.output: Output = (output or LoggedOutput)(self, self.log)
        self.frame = NO_FRAME
        self.emitted = Emitted(self.settings)
        self.state = GuestState(self.settings, self.log, self.expired)
        self.notes: list[str] = []
        self.notes_dropped = 0
        self.cure = ""
        self.fatal: WeftError | None = None
        self.limit: TimeLimit = "start"
        self.slots: list[HostCall | None] = [None] * len(program.slots)
        self.memory = GuestMemory()
        self.starting = True
        self.born_with = 0
        self.born = time.monotonic_ns()
        self._deadline = math.inf
        self._hosts: dict[type[HostPart], HostPart] = {}
        self._calls: dict[str, GuestCall] = {}
        self._store: Store | None = program.store(stdin, self)
        try:
            self._start(self._store)
        except BaseException:
            self.close()
            raise

    # --- calling the guest -------------------------------------------------------------

    def call(self, name: str, limit: TimeLimit, *args: Number) -> int:
        """Call an export with plain numbers and return its integer (0 for none).

        Raises GuestError when it traps, exits (whatever the code) or runs into a limit.
        """
        function = self._calls.get(name) or self._find(name)
        return int(self._run(limit, function, *args) or 0)

    def ask(self, name: str, limit: TimeLimit) -> Any:
        """Call an export without parameters and return what it returns, whatever its type. Raises as :meth:`call`."""
        return self._run(limit, self._calls.get(name) or self._find(name))

    def begin(self, frame: Frame) -> None:
        """Start on a new frame: forget the last one's output, notes and counts."""
        self.frame = frame
        self.emitted = Emitted(self.settings)
        if self.notes:
            self.notes, self.notes_dropped, self.cure = [], 0, ""
        self.log.begin()
        self.output.begin()
        self.state.begin()
        for host in tuple(self._hosts.values()):  # a stdio guest, on its own thread, may be adding one
            host.begin()

    def stop(self, reason: WeftError) -> None:
        """End the guest at its next check; any thread may ask. ``reason`` is raised from the call."""
        self.fatal = self.fatal or reason
        engine().watchdog.interrupt()

    def close(self) -> None:
        """Release the guest's memory and what the host modules hold for it. Nothing happens the second time."""
        store, self._store = self._store, None
        if store is None:
            return
        self.state.close()
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()
        self.slots.clear()
        self._calls.clear()
        self.memory.attach(None)
        store.close()
        self.output.begin()
        self.output = NO_OUTPUT  # it refers to this instance, which is now free without waiting for the collector

    # --- what the callbacks ask (native.Running) ---------------------------------------

    def expired(self) -> bool:
        """True when the guest must end now."""
        if (reason := self.program.switch.reason) is not None:
            self.fatal = self.fatal or reason
        return self.fatal is not None or time.monotonic() >= self._deadline

    def seconds_left(self) -> float:
        """Until the call that runs has used up its time; ``inf`` for no limit."""
        return max(0.0, self._deadline - time.monotonic())

    def bind(self, slot: int) -> HostCall:
        """The first call of a slot makes the host module's object."""
        wanted = self.program.slots[slot]
        call = (self.host(wanted.host).bind(wanted.function), wanted.layout, wanted.result)
        self.slots[slot] = call
        return call

    def adopt(self, memory: native.MemoryHandle | None) -> None:
        """The memory of a module whose start function calls the host."""
        self.memory.attach(memory)

    def printed(self, stream: int, data: bytes) -> int | None:
        """What the guest wrote to standard output (1) or error (2)."""
        return self.output.stdout(data) if stream == 1 else self.output.stderr(data)

    def fault(self, error: BaseException) -> None:
        """What a host function let slip."""
        if not isinstance(error, native.Stop):
            self.note(f"{type(error).__name__}: {error}")
            self.fatal = self.fatal or faults.host_fault(self.settings.name, error)

    # --- what host modules ask ---------------------------------------------------------

    def note(self, text: str, cure: str = "") -> None:
        """Keep a host function's reason, and the first cure, for the error a person will read."""
        self.cure = self.cure or visible(cure[:MAX_NOTE])
        if len(self.notes) < MAX_NOTES:
            self.notes.append(visible(text[:MAX_NOTE]))
        else:
            self.notes_dropped += 1

    def host(self, cls: type[Part]) -> Part:
        """This instance's object of a host module, or of another part of the host."""
        if cls not in self._hosts:
            self._hosts[cls] = cls(self)
        part = self._hosts[cls]
        assert isinstance(part, cls)
        return part

    # --- helpers -----------------------------------------------------------------------

    def _start(self, store: Store) -> None:
        self._run("start", self.program.instantiate, store)
        self.memory.attach(store.memory())
        self.born_with = self.memory.size
        self.starting = False

    def _find(self, name: str) -> GuestCall:
        signature = self.program.functions.get(name)
        if self._store is None or signature is None:
            what = "is closed" if self._store is None else f"exports no function '{name}'"
            raise UsageError(f"the instance {what}", where=self.settings.name)
        try:
            self._calls[name] = self._store.function(name, signature)
        except ValueError:
            raise ModuleError(
                f"its export '{name}' is {signature}, which the host cannot call", where=self.settings.name
            ) from None
        return self._calls[name]

    def _run(self, limit: TimeLimit, function: Callable[..., Number | None], *args: object) -> Number | None:
        watchdog = engine().watchdog
        previous, native.current.instance = native.current.instance, self
        self.limit = limit
        self._deadline = time.monotonic() + faults.seconds(self.settings.limits, limit)
        watchdog.watch(self, self._deadline)
        if (reason := self.program.switch.reason) is not None:
            self.fatal = self.fatal or reason
        try:
            result = function(*args) if self.fatal is None else None
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise faults.guest_error(self, error) from error
        finally:
            watchdog.release(self)
            native.current.instance = previous
        if self.fatal is not None:
            raise self.fatal.at(self.settings.name)
        return result
