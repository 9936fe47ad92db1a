"""Functions made with wasm-bindgen or wasmedge-bindgen: one export, called with the payload; its result is emitted.

wasm-bindgen exports ``__wbindgen_malloc`` and ``__wbindgen_free``: ``f(8, pointer, length)`` writes pointer and length
of the result to address 8, and the host frees it.

wasmedge-bindgen exports ``allocate`` and ``deallocate``: ``f(parameters, 1)`` gets one parameter, pointer and count. It
returns a pointer to 9 bytes (0, or 1 for an error, pointer, count), with records of pointer, type and bytes behind it;
older ones call the host instead, see :mod:`weft.wasm.host.env_bindgen`. The function owns its parameters.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Sequence
from typing import ClassVar

from weft.core.errors import GuestFailed, GuestTrap, ModuleError, TimeLimitError, UsageError
from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.core.suggest import did_you_mean
from weft.core.text import visible
from weft.core.units import format_duration
from weft.wasm.abi.base import Abi
from weft.wasm.abi.guest import ResidentGuest, start_runtime
from weft.wasm.guard import Refusal
from weft.wasm.host.env_bindgen import BYTES, TEXT, BytesReturned, RecordsReturned, Value, read_records
from weft.wasm.instance import Instance
from weft.wasm.look import media_type_of
from weft.wasm.program import Program

RESULT_AT = 8
"""Where a wasm-bindgen function writes its result's pointer and length."""

_WASM_BINDGEN = {"__wbindgen_malloc", "__wbindgen_free"}
_WASMEDGE_BINDGEN = {"allocate", "deallocate"}
_RUNTIME = {"_initialize", "_start", "main", *_WASM_BINDGEN, *_WASMEDGE_BINDGEN}
_SIGNATURES = {
    "wasm-bindgen": ("(i32 i32 i32) -> ()",),
    "wasmedge-bindgen": ("(i32 i32) -> (i32)", "(i32 i32) -> ()"),
}
_PAIR = struct.Struct("<II")
_RETURNED = struct.Struct("<BII")
_NUMBERS = dict(zip(range(1, 12), ("<B", "<b", "<H", "<h", "<I", "<i", "<Q", "<q", "<f", "<d", "<?"), strict=True))
_CHARACTER = 12


class Bindgen(Abi):
    """Which function: config ``function``, else the first argument, else ``infer``, else the only one."""

    name = "bindgen"
    summary = "one exported function, bytes in and out (wasm-bindgen, wasmedge-bindgen)"
    priority = 25
    may_have: ClassVar[dict[str, str]] = {
        "_initialize": "() -> ()",
        "_start": "() -> ()",
        "allocate": "(i32) -> (i32)",
        "deallocate": "(i32 i32) -> ()",
        "__wbindgen_malloc": "(i32) -> (i32) | (i32 i32) -> (i32)",
        "__wbindgen_free": "(i32 i32) -> () | (i32 i32 i32) -> ()",
    }

    @classmethod
    def matches(cls, exports: frozenset[str], imports: frozenset[str]) -> bool:
        """Either convention's way to get memory marks such a module."""
        return exports >= _WASM_BINDGEN or exports >= _WASMEDGE_BINDGEN

    @classmethod
    def check(cls, program: Program) -> None:
        """Refuse a module without a function to call. Raises ModuleError and UsageError."""
        chosen_function(program)

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> BindgenGuest:
        """Instantiate and initialise."""
        return BindgenGuest(Instance(program))


class BindgenGuest(ResidentGuest):
    """A started module."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._exports = instance.program.functions
        self._function = chosen_function(instance.program)
        self._call_it = self._wasm_bindgen if _convention(instance.program) == "wasm-bindgen" else self._wasmedge
        self._until = 0.0

    def prepare(self) -> None:
        """The runtime's start."""
        start_runtime(self.instance)

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One call of the function. Raises GuestError; GuestFailed where it returned an error."""
        instance = self.instance
        instance.begin(frame)
        self._until = time.monotonic() + instance.settings.limits.time
        try:
            values = self._call_it(frame.payload)
        except Refusal as refusal:
            what = f"{self._function} was given or gave a bad pointer: {refusal.reason}"
            raise GuestTrap(what, where=instance.settings.name) from None
        for value in values:
            media_type, payload = _shown(value)
            instance.emitted.check("", media_type, len(payload))
            instance.emitted.add(frame.derive(payload, media_type=media_type, stream=""))
        return instance.emitted.frames

    def _wasm_bindgen(self, payload: bytes) -> list[Value]:
        align = (1,) if self._exports["__wbindgen_malloc"].startswith("(i32 i32)") else ()
        given = self._call("__wbindgen_malloc", len(payload), *align)
        self.instance.memory.write(given, payload)
        self._call(self._function, RESULT_AT, given, len(payload))
        at, size = self.instance.memory.unpack(_PAIR, RESULT_AT)
        data = self.instance.memory.read(at, size)
        if size:
            self._call("__wbindgen_free", _signed(at), _signed(size), *align)
        return [(BYTES, data)] if size else []

    def _wasmedge(self, payload: bytes) -> list[Value]:
        memory = self.instance.memory
        parameters = self._call("allocate", _PAIR.size)
        given = self._call("allocate", len(payload))
        memory.write(given, payload)
        memory.write(parameters, _PAIR.pack(given & 0xFFFFFFFF, len(payload)))
        returned = self._call(self._function, parameters, 1)
        self._call("deallocate", parameters, _PAIR.size)
        gives_pointer = self._exports[self._function] == _SIGNATURES["wasmedge-bindgen"][0]
        return self._returned(returned) if gives_pointer else self._told()

    def _returned(self, pointer: int) -> list[Value]:
        """Results behind the pointer that the function returned; all of it is the host's to free."""
        memory = self.instance.memory
        failed, at, count = memory.unpack(_RETURNED, pointer)
        self._free(pointer, _RETURNED.size)
        if failed:
            message = memory.read(at, count).decode(errors="replace")
            self._free(at, count)
            raise self._error(message)
        records = read_records(memory, at, count, self.instance.settings)
        values = [(kind, memory.read(value, size)) for value, kind, size in records]
        for value, _, size in records:
            self._free(value, size)
        self._free(at, count * 12)
        return values

    def _told(self) -> list[Value]:
        """Results that the function gave by calling the host."""
        values: list[Value] = []
        for cls in (BytesReturned, RecordsReturned):
            host = self.instance.host(cls)
            if host.error is not None:
                raise self._error(host.error)
            values += host.values
            for at, size in host.kept:
                self._free(at, size)
        return values

    def _free(self, pointer: int, size: int) -> None:
        if size:
            self._call("deallocate", _signed(pointer), _signed(size))

    def _call(self, name: str, *args: int) -> int:
        """Call an export. The calls of one frame share its time."""
        if time.monotonic() >= self._until:
            allowed = format_duration(self.instance.settings.limits.time)
            raise TimeLimitError(
                f"ran longer than its {allowed}",
                where=self.instance.settings.name,
                cure="raise limits.time (--timeout)",
            )
        return self.instance.call(name, "time", *args)

    def _error(self, message: str) -> GuestFailed:
        name = self.instance.settings.name
        return GuestFailed(f"{self._function} returned an error: {visible(message[:1024])}", where=name)


def chosen_function(program: Program) -> str:
    """The export to call. Raises UsageError where the named one is not there, ModuleError where none is clear."""
    settings, exports = program.settings, program.functions
    fitting = [name for name in exports if not name.startswith("__") and name not in _RUNTIME and _fits(program, name)]
    wanted = settings.config.get("function") or next(iter(settings.args), "") or ("infer" if "infer" in fitting else "")
    if wanted in fitting:
        return wanted
    if wanted:
        cure = did_you_mean(wanted, fitting) or f"one of {', '.join(fitting) or 'none'}"
        what = f"exports no function '{wanted}' that the ABI 'bindgen' can call"
        raise UsageError(what, where=settings.name, cure=cure)
    if len(fitting) != 1:
        seen = f"{len(fitting)} functions to choose from: {', '.join(fitting)}" if fitting else "no function to call"
        what = f"exports {seen}, for {_convention(program)}"
        raise ModuleError(what, where=settings.name, cure="name one with config function (--config function=NAME)")
    return fitting[0]


def _convention(program: Program) -> str:
    return "wasm-bindgen" if program.functions.keys() >= _WASM_BINDGEN else "wasmedge-bindgen"


def _fits(program: Program, name: str) -> bool:
    return program.functions[name] in _SIGNATURES[_convention(program)]


def _shown(value: Value) -> tuple[str, bytes]:
    """Media type and payload of a result: text and bytes as they are, numbers as text, lists of numbers as bytes."""
    kind, data = value
    if kind in {BYTES, TEXT}:
        return media_type_of(data), data
    if kind in _NUMBERS and len(data) == struct.calcsize(_NUMBERS[kind]):
        return "text/plain", json.dumps(struct.unpack(_NUMBERS[kind], data)[0]).encode()
    if kind == _CHARACTER and len(data) == 4:
        return "text/plain", data.decode("utf-32-le", errors="replace").encode()
    return "application/octet-stream", data


def _signed(number: int) -> int:
    """An unsigned pointer or length as the i32 that wasm passes."""
    return number - 2**32 if number >= 2**31 else number
