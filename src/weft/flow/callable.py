"""``weft.load``: a function as a Python callable."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.core.limits import Grants, Limits
from weft.core.model import ModelOptions
from weft.flow.functions import FunctionOptions, ModelGrant, load_function

if TYPE_CHECKING:
    from weft.wasm.abi.base import Terminal
    from weft.wasm.function import Function, InstancePolicy

AnyPath = str | os.PathLike[str]
ModelArgument = AnyPath | tuple[AnyPath, ModelOptions]


class LoadedFunction:
    """A function that is called with a frame (or bytes) and returns the frames it emits.

    It has one instance on a thread of its own; calls from several threads take turns. Close it, or use it in
    a ``with`` statement, to release the instance.
    """

    def __init__(self, function: Function, terminal: Terminal | None = None) -> None:
        self.function = function
        self._handler = function.instance(terminal)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"weft-{function.settings.name}")
        self._lock = threading.Lock()
        self._sequence = 0

    def __call__(self, frame: Frame | bytes = b"") -> Sequence[Frame]:
        """What the function emits. Raises GuestError when it fails on the frame; the next call is sound again."""
        if not isinstance(frame, Frame):
            frame = Frame(bytes(frame), sequence=self._next())
        try:
            future = self._worker.submit(self._handler.handle, frame)
        except RuntimeError:
            raise UsageError(
                "the function was closed", where=self.function.settings.name, cure="load it again"
            ) from None
        return future.result()

    def close(self) -> None:
        """Release the instance and its thread."""
        self._worker.submit(self._handler.close)
        self._worker.shutdown(wait=True)

    def __enter__(self) -> LoadedFunction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
    """Load a function from a .wasm, .wat or .cwasm file.

    Args:
        path: the module.
        models: what it may load by name: a file, or a file with its ModelOptions.
        config: what ``config_get`` answers; ``@FILE`` stands for a file's text.
        grants: directories, environment and capabilities; nothing by default.
        limits: memory, time and the rest.
        args: arguments of a command.
        abi: how it is called; detected by default.
        instance: ``reuse`` or ``fresh`` per call.
        trust: load compiled code that was not made here.

    Raises NotFoundError, ModuleError, ModelError, UnavailableError, DeniedError, UsageError.
    """
    options = FunctionOptions(
        abi=abi,
        models={name: _grant(value) for name, value in (models or {}).items()},
        grants=grants,
        limits=limits,
        config={key: str(value) for key, value in (config or {}).items()},
        args=tuple(args),
        policy=instance,
        trust=trust,
    )
    return LoadedFunction(load_function(Path(path), options))


def _grant(value: ModelArgument) -> ModelGrant:
    if isinstance(value, tuple):
        return ModelGrant(Path(value[0]), value[1])
    return ModelGrant(Path(value))
