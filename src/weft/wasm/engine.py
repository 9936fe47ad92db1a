"""The engine: wasmtime's configuration, the epoch ticker, and compiled code kept by digest."""

from __future__ import annotations

import functools
import hashlib
import math
import platform
import threading
import time
from importlib.metadata import version

import wasmtime

from weft.core.errors import ModuleError
from weft.wasm.compiled import CompiledCache

TICK = 0.005
"""Seconds between two epochs: the precision of time limits."""

IDLE_AFTER = 1.0
"""Seconds without a guest call after which the ticker sleeps."""

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
    """One per process (:func:`engine`): all functions share its code, cache and ticker."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        for name, value in _SETTINGS.items():
            setattr(config, name, value)
        self.raw = wasmtime.Engine(config)
        self.fingerprint = _fingerprint()
        self.cache = CompiledCache(self.fingerprint)
        self._ticker = Ticker(self.raw)

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

    def awake(self) -> None:
        """Keep epochs ticking for a while: a guest is about to run."""
        self._ticker.awake()

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


class Ticker:
    """Increments the engine's epoch every ``TICK`` while guests run, and sleeps when none does."""

    def __init__(self, raw: wasmtime.Engine) -> None:
        self._raw = raw
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._last = -math.inf
        self._thread: threading.Thread | None = None

    def awake(self) -> None:
        """A guest is about to run."""
        self._last = time.monotonic()
        if not self._wanted.is_set():
            self._start()

    def _start(self) -> None:
        with self._lock:
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="weft-epochs", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._wanted.wait():
            time.sleep(TICK)
            self._raw.increment_epoch()
            if time.monotonic() - self._last > IDLE_AFTER:
                self._wanted.clear()


@functools.cache
def engine() -> Engine:
    """The process's engine, made when it is first needed."""
    return Engine()


def ticks(seconds: float) -> int:
    """Epochs that pass in ``seconds``, at least one."""
    return max(1, math.ceil(seconds / TICK))


def _fingerprint() -> str:
    settings = hashlib.sha256(repr(sorted(_SETTINGS.items())).encode()).hexdigest()[:12]
    return f"wasmtime-{version('wasmtime')}-{platform.system()}-{platform.machine()}-{settings}"


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
