"""Running guests as pipelines do: on threads of their own, with the real services."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from weft.core.frame import Frame
from weft.media.images import open_picture, picture_of
from weft.media.tensors import fill_tensor
from weft.nn.service import ModelService
from weft.wasm.abi.stdio import StdioGuest
from weft.wasm.function import Function
from weft.wasm.host import signatures
from weft.wasm.instance import Instance
from weft.wasm.program import Program, Settings
from weft.wasm.services import Services
from weft.wasm.source import load_module

Result = TypeVar("Result")
LONGEST = 60.0


@functools.cache
def models() -> ModelService:
    return ModelService()


@functools.cache
def services() -> Services:
    return Services(models(), open_picture, picture_of, fill_tensor)


def settings(name: str = "guest", **options: Any) -> Settings:
    return Settings(name, services(), **options)


class Thread:
    """One thread that does what it is told, in order."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)

    def __call__(self, task: Callable[..., Result], *args: object) -> Result:
        return self._pool.submit(task, *args).result(LONGEST)

    def end(self) -> None:
        self._pool.shutdown()


class Driven:
    """A function with one handler, called on one thread."""

    def __init__(self, function: Function, thread: Thread) -> None:
        self.function = function
        self.handler = function.instance()
        self._thread = thread

    def __call__(self, payload: bytes = b"", **frame: Any) -> list[bytes]:
        """What it emits for a payload."""
        return [emitted.payload for emitted in self.frames(Frame(payload, **frame))]

    def frames(self, frame: Frame) -> Sequence[Frame]:
        return self._thread(self.handler.handle, frame)

    @property
    def instance(self) -> Instance:
        """The instance behind a reactor's or stdio guest's handler."""
        guest: Any = self.handler._guest
        return guest._instance if isinstance(guest, StdioGuest) else guest.instance

    def close(self) -> None:
        self._thread(self.handler.close)


class Probe:
    """An instance that exports every host function of one host module, to be called from outside.

    Calls go through wasm both ways. ``frame`` starts a frame, ``memory`` is the guest's.
    """

    def __init__(self, path: Path, thread: Thread, options: Settings) -> None:
        self._thread = thread
        self.program = Program(load_module(path), options)
        self.instance = thread(Instance, self.program)
        self._end = 1024

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *args: self.call(name, *args)

    def call(self, name: str, *args: int) -> int:
        return self._thread(self.instance.call, name, "time", *map(_wrap, args))

    def frame(self, payload: bytes = b"", **options: Any) -> None:
        self._thread(self.instance.begin, Frame(payload, **options))

    def put(self, data: bytes) -> int:
        """Place bytes in guest memory; where they are."""
        start, self._end = self._end, (self._end + len(data) + 15) & ~15
        self.instance.memory.write(start, data)
        return start

    def text(self, words: str) -> tuple[int, int]:
        """Place a text; its pointer and length."""
        data = words.encode()
        return self.put(data), len(data)

    def read(self, ptr: int, length: int) -> bytes:
        return self.instance.memory.read(ptr, length)

    def u32(self, ptr: int) -> int:
        return int.from_bytes(self.read(ptr, 4), "little")

    def close(self) -> None:
        self._thread(self.instance.close)


def _wrap(number: int) -> int:
    """An unsigned pointer or length as the i32 that wasm passes."""
    return number - 2**32 if 2**31 <= number < 2**32 else number


def probe_wat(module: str, functions: Iterable[str] | None = None, pages: int = 64) -> str:
    """A module that imports a host module's functions and exports each under its own name."""
    offered = signatures(module)
    wanted = {name: offered[name] for name in functions or offered}
    imports = [f'(import "{module}" "{name}" (func $h{i} {_type(text)}))' for i, (name, text) in _numbered(wanted)]
    exports = [
        f'(func (export "{name}") {_type(text)} {_arguments(text)} (call $h{i}))'
        for i, (name, text) in _numbered(wanted)
    ]
    return f'(module {" ".join(imports)} (memory (export "memory") {pages}) {" ".join(exports)})'


def parameters(signature: str) -> list[str]:
    """The parameter types of ``(i32 i64) -> (i32)``."""
    return signature.partition(" -> ")[0].strip("()").split()


def _numbered(wanted: dict[str, str]) -> Iterable[tuple[int, tuple[str, str]]]:
    return enumerate(wanted.items())


def _type(signature: str) -> str:
    params, _, results = signature.partition(" -> ")
    words = [f"({kind} {names})" for kind, names in (("param", params[1:-1]), ("result", results[1:-1])) if names]
    return " ".join(words)


def _arguments(signature: str) -> str:
    return " ".join(f"(local.get {index})" for index in range(len(parameters(signature))))
