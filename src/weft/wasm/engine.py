"""The engine: wasmtime's configuration, the watchdog over time limits, and compiled code kept by digest."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

import wasmtime

from weft.core.errors import ModuleError, UsageError
from weft.core.once import Once
from weft.wasm import native
from weft.wasm.compiled import CompiledCache, NoCache

if TYPE_CHECKING:
    from wasmtime.component import Component  # imported where one is compiled: most functions are none

Code = TypeVar("Code", wasmtime.Module, "Component")

STACK = 512 * 1024
"""Bytes of stack for wasm code."""

_SETTINGS = {
    "epoch_interruption": True,
    "max_wasm_stack": STACK,
    "wasm_memory64": False,  # the ABIs pass 32-bit pointers
    "wasm_threads": False,  # a guest is one thread
    "cranelift_opt_level": "speed",
}

_FOR_DEBUGGER = {"debug_info": True, "cranelift_opt_level": "none"}
"""What changes where a debugger looks on: wasmtime tells it of the code by GDB's JIT interface."""

_DETAILS = "WASMTIME_BACKTRACE_DETAILS"
"""The variable that makes traps name source lines, where the module knows them; the bindings have no setter."""


class Engine:
    """One per process (:func:`engine`): all functions share its code, cache and watchdog."""

    def __init__(self, *, for_debugger: bool = False) -> None:
        settings = {**_SETTINGS, **(_FOR_DEBUGGER if for_debugger else {})}
        config = _new_config()
        for name, value in settings.items():
            setattr(config, name, value)
        self.raw = wasmtime.Engine(config)
        self.fingerprint = _fingerprint(settings)
        self.cache = (NoCache if for_debugger else CompiledCache)(self.fingerprint)
        self.watchdog = Watchdog(self.raw)
        self._components: WeakValueDictionary[str, Component] = WeakValueDictionary()

    def compile(self, wasm: bytes, name: str) -> wasmtime.Module:
        """The module of these bytes, from the cache where this user compiled them before.

        Raises ModuleError when they are no valid WebAssembly.
        """
        return self._cached(wasmtime.Module, wasm, name)

    def compile_uncached(self, wasm: bytes, name: str) -> wasmtime.Module:
        """As :meth:`compile`, without looking whether it was compiled before, nor keeping it."""
        return self._compile(wasmtime.Module, wasm, name)

    def compile_component(self, wasm: bytes, name: str) -> Component:
        """As :meth:`compile`, for a component; one that is in use is found, as loading an interpreter takes long."""
        from wasmtime.component import Component

        digest = hashlib.sha256(wasm).hexdigest()
        if (found := self._components.get(digest)) is None:
            found = self._components[digest] = self._cached(Component, wasm, name)
        return found

    def load(self, code: bytes, name: str) -> wasmtime.Module:
        """A module from compiled code that somebody has vouched for. Raises ModuleError."""
        return self._load(wasmtime.Module, code, name)

    def load_component(self, code: bytes, name: str) -> Component:
        """As :meth:`load`, for a component."""
        from wasmtime.component import Component

        return self._load(Component, code, name)

    def _cached(self, form: type[Code], wasm: bytes, name: str) -> Code:
        digest = hashlib.sha256(wasm).hexdigest()
        if (code := self.cache.get(digest)) is not None and (module := self._try_load(form, code)):
            return module
        module = self._compile(form, wasm, name)
        self.cache.put(digest, name, module.serialize)
        return module

    def _load(self, form: type[Code], code: bytes, name: str) -> Code:
        try:
            return form.deserialize(self.raw, code)
        except wasmtime.WasmtimeError as error:
            raise ModuleError(
                f"the compiled code does not fit this machine or version: {_short(error)}",
                where=name,
                cure="compile it here again with `weft compile`",
            ) from error

    def _try_load(self, form: type[Code], code: bytes) -> Code | None:
        try:
            return form.deserialize(self.raw, code)
        except wasmtime.WasmtimeError:
            return None  # from a machine with another CPU, say: compile it again

    def _compile(self, form: type[Code], wasm: bytes, name: str) -> Code:
        try:
            return form(self.raw, wasm)
        except wasmtime.WasmtimeError as error:
            raise ModuleError(
                f"not valid WebAssembly: {_short(error)}",
                where=name,
                cure="build it again, for wasm32-wasi (wasm32-wasip1); `weft inspect` shows what a module holds",
            ) from error


class Watchdog:
    """Moves the engine's epoch on when a running guest's time is up, and sleeps until the next one's is.

    A guest looks at the host only when the epoch moved: one that keeps its limits is never interrupted, and
    a process whose guests are idle never wakes.
    """

    def __init__(self, raw: wasmtime.Engine) -> None:
        self._raw = raw
        self._running: dict[object, float] = {}
        self._next = math.inf
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forget)

    def watch(self, guest: object, deadline: float) -> None:
        """A guest runs from now on, at most until ``deadline`` (``time.monotonic``)."""
        self._running[guest] = deadline
        if deadline < self._next:
            self._wake()

    def release(self, guest: object) -> None:
        """The guest returned."""
        self._running.pop(guest, None)

    def interrupt(self) -> None:
        """Make every running guest look at the host now; any thread may ask."""
        self._raw.increment_epoch()

    def _wake(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="weft-watchdog", daemon=True)
                    self._thread.start()
        self._changed.set()

    def _run(self) -> None:
        while True:
            self._changed.wait(None if self._next == math.inf else self._seconds_left())
            self._changed.clear()
            self._next = math.inf  # from here on, watch() wakes this thread; so no deadline is missed
            deadlines = list(self._running.values())
            now = time.monotonic()
            if any(deadline <= now for deadline in deadlines):
                self.interrupt()
            self._next = min((deadline for deadline in deadlines if deadline > now), default=math.inf)

    def _seconds_left(self) -> float:
        return min(max(0.0, self._next - time.monotonic()), threading.TIMEOUT_MAX)

    def _forget(self) -> None:
        """After a fork the child has none of the parent's threads."""
        self._running, self._next = {}, math.inf
        self._changed, self._lock, self._thread = threading.Event(), threading.Lock(), None


@Once
def engine() -> Engine:
    """The process's engine, made when it is first needed."""
    return Engine(for_debugger=_debugged)


def expect_debugger() -> None:
    """Make this process's code for a debugger: with line tables and variables, unoptimised, and never kept.

    Raises UsageError once the engine has been made.
    """
    global _debugged  # noqa: PLW0603 - like the engine, there is one per process
    if engine.made:
        raise UsageError("this process has compiled code already", cure="ask for the debugger first")
    _debugged = True


_debugged = False


def _new_config() -> wasmtime.Config:
    """Settings that make traps name source lines, unless the environment says otherwise."""
    given = os.environ.get(_DETAILS)
    os.environ.setdefault(_DETAILS, "1")
    try:
        return wasmtime.Config()
    finally:
        if given is None:
            del os.environ[_DETAILS]


def _fingerprint(settings: Mapping[str, object]) -> str:
    known = {**settings, _DETAILS: os.environ.get(_DETAILS, "1")}
    digest = hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()[:12]
    host = os.uname()
    return f"wasmtime-{native.WASMTIME}-{host.sysname}-{host.machine}-{digest}"


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
