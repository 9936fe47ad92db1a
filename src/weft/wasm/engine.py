"""The engine: wasmtime's configuration, the watchdog over time limits, and compiled code kept by digest."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time

import wasmtime

from weft.core.errors import ModuleError
from weft.core.once import Once
from weft.wasm import native
from weft.wasm.compiled import CompiledCache

STACK = 512 * 1024
"""Bytes of stack for wasm code."""

_SETTINGS = {
    "epoch_interruption": True,
    "max_wasm_stack": STACK,
    "wasm_memory64": False,  # the ABIs pass 32-bit pointers
    "wasm_threads": False,  # a guest is one thread
    "cranelift_opt_level": "speed",
}


class Engine:
    """One per process (:func:`engine`): all functions share its code, cache and watchdog."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        for name, value in _SETTINGS.items():
            setattr(config, name, value)
        self.raw = wasmtime.Engine(config)
        self.fingerprint = _fingerprint()
        self.cache = CompiledCache(self.fingerprint)
        self.watchdog = Watchdog(self.raw)

    def compile(self, wasm: bytes, name: str) -> wasmtime.Module:
        """The module of these bytes, from the cache where this user compiled them before.

        Raises ModuleError when they are no valid WebAssembly.
        """
        digest = hashlib.sha256(wasm).hexdigest()
        if (code := self.cache.get(digest)) is not None and (module := self._try_load(code)):
            return module
        module = self._compile(wasm, name)
        self.cache.put(digest, name, module.serialize)
        return module

    def load(self, code: bytes, name: str) -> wasmtime.Module:
        """A module from compiled code that somebody has vouched for. Raises ModuleError."""
        try:
            return wasmtime.Module.deserialize(self.raw, code)
        except wasmtime.WasmtimeError as error:
            raise ModuleError(
                f"the compiled code does not fit this machine or version: {_short(error)}",
                where=name,
                cure="compile it here again with `weft compile`",
            ) from error

    def _try_load(self, code: bytes) -> wasmtime.Module | None:
        try:
            return wasmtime.Module.deserialize(self.raw, code)
        except wasmtime.WasmtimeError:
            return None  # from a machine with another CPU, say: compile it again

    def _compile(self, wasm: bytes, name: str) -> wasmtime.Module:
        try:
            return wasmtime.Module(self.raw, wasm)
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
    return Engine()


def _fingerprint() -> str:
    settings = hashlib.sha256(repr(sorted(_SETTINGS.items())).encode()).hexdigest()[:12]
    host = os.uname()
    return f"wasmtime-{native.WASMTIME}-{host.sysname}-{host.machine}-{settings}"


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
