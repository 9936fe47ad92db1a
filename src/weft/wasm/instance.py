"""Instance: one running copy of a program, with its memory, its limits and the frame it works on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import wasmtime

from weft.core.errors import MemoryLimitError, ModuleError, NotFoundError, WeftError
from weft.core.frame import Frame
from weft.wasm import faults, native
from weft.wasm.engine import TICK, engine, ticks
from weft.wasm.host.base import HostModule
from weft.wasm.memory import GuestMemory
from weft.wasm.output import Emitted, GuestLog, LoggedOutput, Output
from weft.wasm.program import Program

LOOK_EVERY = 0.05
"""Seconds between two looks at whether a running guest was stopped."""

MAX_NOTES = 8
"""Reasons kept per frame for the error a person reads; later ones are counted."""

NO_FRAME = Frame(b"")

MakeOutput = Callable[["Instance", GuestLog], Output]


class Instance:
    """A program's memory and state. Make it, call it and close it on one thread, and never on the main one.

    Attributes:
        memory: the guest's memory, bounds-checked.
        frame: the frame being handled.
        emitted: what the guest emitted for it.
    """

    def __init__(self, program: Program, stdin: bytes | str | None = b"", *, output: MakeOutput | None = None) -> None:
        """``stdin`` is the guest's input: bytes, the path of a pipe, or None for the process's own.

        ``output`` makes what takes the guest's standard output and error; without it they are logged.
        """
        self.program = program
        self.settings = program.settings
        self.log = GuestLog(logging.getLogger(f"weft.guest.{self.settings.name}"), self.settings.limits.logs)
        self.output: Output = (output or LoggedOutput)(self, self.log)
        self.frame = NO_FRAME
        self.emitted = Emitted(self.settings)
        self.notes: list[str] = []
        self.notes_dropped = 0
        self.cure = ""
        self.fatal: WeftError | None = None
        self.deadline = float("inf")
        self.slots: list[Callable[..., int]] = []
        self._hosts: dict[type[HostModule], HostModule] = {}
        self._calls: dict[str, native.GuestCall] = {}
        self.memory = GuestMemory(None)
        self._store = self._new_store(stdin)
        self._exports = self._instantiate()

    # --- calling the guest -------------------------------------------------------------

    def call(self, name: str, seconds: float) -> int:
        """Call an export and return its i32 (0 for none).

        Raises GuestError when it traps, exits with a non-zero code or runs into a limit.
        """
        function = self._calls.get(name) or self._find(name)
        return self._run(function, seconds)

    def begin(self, frame: Frame) -> None:
        """Start on a new frame: forget the last one's output, notes and counts."""
        self.frame = frame
        self.emitted = Emitted(self.settings)
        if self.notes:
            self.notes, self.notes_dropped, self.cure = [], 0, ""
        self.log.begin()
        self.output.begin()
        for host in self._hosts.values():
            host.begin()

    def stop(self, reason: WeftError) -> None:
        """End the guest at its next check; any thread may ask. ``reason`` is raised from the call."""
        self.fatal = self.fatal or reason

    def close(self) -> None:
        """Release the guest's memory and what the host modules hold for it."""
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()
        self.slots.clear()
        self._calls.clear()
        self.memory = GuestMemory(None)
        with suppress(ValueError):  # closed before
            self._store.close()

    # --- what the callbacks ask (native.Running) ---------------------------------------

    def expired(self) -> bool:
        """True when the guest must end now."""
        return self.fatal is not None or time.monotonic() >= self.deadline

    def check_ticks(self) -> int:
        """Ticks until the next look."""
        return ticks(min(LOOK_EVERY, max(TICK, self.deadline - time.monotonic())))

    def fault(self, error: BaseException) -> None:
        """What a host function let slip."""
        if not isinstance(error, native.Stop):
            self.note(f"{type(error).__name__}: {error}")
            self.fatal = self.fatal or faults.host_fault(self.settings.name, error)

    def note(self, text: str, cure: str = "") -> None:
        """Keep a host function's reason, and the first cure, for the error a person will read."""
        self.cure = self.cure or cure
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)
        else:
            self.notes_dropped += 1

    # --- making one --------------------------------------------------------------------

    def _new_store(self, stdin: bytes | str | None) -> wasmtime.Store:
        store = wasmtime.Store(engine().raw)
        store.set_limits(
            memory_size=self.settings.limits.memory, table_elements=1_000_000, instances=1, tables=16, memories=4
        )
        native.watch_deadline(store)
        store.set_wasi(self._wasi(stdin))
        return store

    def _wasi(self, stdin: bytes | str | None) -> wasmtime.WasiConfig:
        config = wasmtime.WasiConfig()
        config.argv = [self.program.module.path.name, *self.settings.args]
        if self.settings.grants.env:
            config.env = list(self.settings.grants.env.items())
        if isinstance(stdin, bytes):
            native.set_stdin(config, stdin)
        elif stdin is None:
            config.inherit_stdin()
        else:
            config.stdin_file = stdin
        config.stdout_custom = self.output.stdout
        config.stderr_custom = self.output.stderr
        self.program.preopen(config)
        return config

    def _instantiate(self) -> Mapping[str, object]:
        self.slots = [self._lazy_slot(index) for index in range(len(self.program.slots))]
        previous, native.current.instance = native.current.instance, self
        self._arm(self.settings.limits.start)
        try:
            instance = self.program.instantiate(self._store)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise self._start_error(error) from error
        finally:
            native.current.instance = previous
        exports = instance.exports(self._store)
        memory = exports.get("memory")
        if isinstance(memory, wasmtime.Memory):
            self.memory = GuestMemory(native.MemoryHandle(self._store, memory))
        return exports

    def _lazy_slot(self, index: int) -> Callable[..., int]:
        """The slot's first call makes the host module's object and replaces itself."""

        def first(*args: int) -> int:
            slot = self.program.slots[index]
            self.slots[index] = bound = self.host(slot.host).bind(slot.function)
            return bound(*args)

        return first

    def host(self, cls: type[HostModule]) -> HostModule:
        """This instance's object of a host module."""
        if cls not in self._hosts:
            self._hosts[cls] = cls(self)
        return self._hosts[cls]

    def _find(self, name: str) -> native.GuestCall:
        function = self._exports.get(name)
        if not isinstance(function, wasmtime.Func):
            raise NotFoundError(f"exports no function '{name}'", where=self.settings.name)
        ty = function.type(self._store)
        if ty.params or len(ty.results) > 1 or any(str(result) != "i32" for result in ty.results):
            raise ModuleError(
                f"its export '{name}' has another type than the ABI's",
                where=self.settings.name,
                cure="see docs/functions",
            )
        self._calls[name] = native.GuestCall(self._store, function, len(ty.results))
        return self._calls[name]

    def _run(self, function: native.GuestCall, seconds: float) -> int:
        previous, native.current.instance = native.current.instance, self
        self._arm(seconds)
        try:
            result = function()
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            if isinstance(error, wasmtime.ExitTrap) and error.code == 0 and self.fatal is None:
                return 0
            raise faults.guest_error(self, error, seconds) from error
        finally:
            native.current.instance = previous
        if self.fatal is not None:
            raise self.fatal
        return result

    def _arm(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self._store.set_epoch_deadline(self.check_ticks())
        engine().awake()

    def _start_error(self, error: Exception) -> WeftError:
        if "exceeds memory limits" in str(error):
            return MemoryLimitError(
                f"needs more memory at its start than its limit of {faults.memory_limit(self)}",
                where=self.settings.name,
                cure="raise limits.memory (--memory)",
            )
        return faults.guest_error(self, error, self.settings.limits.start)
