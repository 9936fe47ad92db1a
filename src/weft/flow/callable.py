"""``weft.load``: a function as a Python callable."""

from __future__ import annotations

import math
import os
import queue
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from weft.core.clock import monotonic
from weft.core.errors import TimeLimitError, UsageError
from weft.core.frame import Frame
from weft.core.limits import Grants, Limits
from weft.core.model import ModelOptions
from weft.core.protocols import StoppableHandler
from weft.core.remote import is_remote
from weft.core.resources import module
from weft.flow.arguments import (
    as_frame,
    checked_args,
    checked_config,
    checked_grants,
    checked_limits,
    checked_models,
    checked_path,
    checked_policy,
)
from weft.flow.functions import FunctionOptions, load_function
from weft.flow.remote import local_path

if TYPE_CHECKING:
    from weft.core.protocols import Function, Terminal
    from weft.wasm.function import InstancePolicy

T = TypeVar("T")
AnyPath = str | os.PathLike[str]
ModelArgument = AnyPath | tuple[AnyPath, ModelOptions]


STOP_WITHIN = 1.0
"""Seconds that closing waits for a call that is still running."""

_LOOK_EVERY = 0.25


class _Worker:
    """One daemon thread that does one thing after the other: a guest that hangs must not keep the process alive."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._open = True
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T], where: str) -> Future[T]:
        """Have it done. Raises UsageError after close."""
        future: Future[T] = Future()
        with self._lock:  # what came after the end would never be done
            if not self._open:
                raise UsageError("the function was closed", where=where, cure="load it again")
            self._jobs.put((work, future))
        return future

    def end(self, last: Callable[[], None]) -> None:
        """Do ``last``, then end, once what was submitted is done; returns at once."""
        with self._lock:
            if self._open:
                self._jobs.put((last, Future()))
                self._jobs.put(None)
                self._open = False

    def ended(self, within: float) -> bool:
        """Wait for the end, ``within`` so many seconds; False when it has not come."""
        self._thread.join(within)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)
            del job, work, future


def _result(future: Future[T], within: float) -> T | None:
    """The result, or None when it is not there ``within`` so many seconds.

    Waits in steps: a signal that comes just as the main thread starts to wait on a lock would not wake it.
    """
    deadline = monotonic() + within
    while not wait((future,), min(_LOOK_EVERY, within)).done:
        if monotonic() >= deadline:
            return None
    return future.result()


class LoadedFunction:
    """A function that is called with a frame (or bytes) and returns the frames it emits.

    It has one instance on a thread of its own; calls from several threads take turns. Close it, or use it in
    a ``with`` statement, to release the instance.
    """

    def __init__(self, function: Function, terminal: Terminal | None = None) -> None:
        self.function = function
        self._handler = function.instance(terminal)
        self._worker = _Worker(f"weft-{function.name}")
        # One that is dropped without being closed leaves no thread and no instance behind.
        weakref.finalize(self, self._worker.end, self._handler.close).atexit = False
        self._lock = threading.Lock()
        self._sequence = 0
        self._name = function.name
        # A guest that waits for the terminal is in the hands of the system, where no limit reaches it.
        waits = terminal is not None and terminal.inherit_stdin
        self._patience = function.time_limit + STOP_WITHIN if waits else math.inf

    def __call__(self, frame: Frame | bytes | str = b"") -> Sequence[Frame]:
        """What the function emits for a frame, for bytes, or for text, which becomes UTF-8.

        Raises GuestError when it fails on the frame, and UsageError for anything else; the next call is sound again.
        """
        whole = frame if isinstance(frame, Frame) else as_frame(frame, self._next(), self._name)
        emitted = _result(self._worker.submit(lambda: self._handler.handle(whole), self._name), self._patience)
        if emitted is None:
            raise TimeLimitError(
                "still waits for its input after its time", where=self._name, cure="raise limits.time (--timeout)"
            )
        return emitted

    def close(self, *, now: bool = False) -> None:
        """Release the instance and its thread.

        A guest that still runs has ``STOP_WITHIN`` to end, or with ``now`` none; then it is stopped, and the call that
        waits for it raises GuestError.
        """
        if now:
            self._stop()
        self._worker.end(self._handler.close)
        if not self._worker.ended(STOP_WITHIN) and not now:
            self._stop()
            self._worker.ended(STOP_WITHIN)

    def __enter__(self) -> LoadedFunction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After Ctrl-C nobody waits for what still runs.
        self.close(now=error is not None and not isinstance(error, Exception))

    def _stop(self) -> None:
        if isinstance(self._handler, StoppableHandler):
            self._handler.stop()

    def _next(self) -> int:
        with self._lock:
            self._sequence += 1
            return self._sequence - 1


def load(
    path: AnyPath,
    *,
    models: Mapping[str, ModelArgument] | None = None,
    config: Mapping[str, object] | None = None,
    grants: Grants = Grants(),
    limits: Limits = Limits(),
    args: Sequence[str] = (),
    abi: str | None = None,
    instance: InstancePolicy = "reuse",
    trust: bool = False,
) -> LoadedFunction:
    """Load a function: a .wasm, .wat or .cwasm module, a Python file, or a classifier's .yaml.

    Args:
        path: the file, ``weft:NAME`` for a function that comes with Weft, or a reference: ``oci://…``, ``hf:…``,
            ``https://…#sha256=…``.
        models: what it may load by name: a file or reference, or one with its ModelOptions.
        config: what ``config_get`` answers; ``@FILE`` stands for a file's text.
        grants: directories, environment, capabilities and state; nothing by default.
        limits: memory, time and the rest.
        args: arguments of a command.
        abi: how it is called; detected by default.
        instance: ``reuse`` or ``fresh`` per call.
        trust: load compiled code that was not made here.

    Raises NotFoundError, ModuleError, ModelError, UnavailableError, DeniedError, UsageError.
    """
    checked_policy(instance)
    options = FunctionOptions(
        abi=abi,
        models=checked_models(models),
        grants=checked_grants(grants),
        limits=checked_limits(limits),
        config=checked_config(config),
        args=checked_args(args),
        policy=instance,
        trust=trust,
    )
    written = checked_path(path, "the module")
    file = local_path(written) if is_remote(written) else module(written)
    return LoadedFunction(load_function(file, options))
