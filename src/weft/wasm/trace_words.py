"""A host call in words. What a parameter is stands in its name, so that host modules need not say it twice.

- a length after a pointer (``length``, ``size``, ``…_len``): the bytes there are read, and shown as text where they are
- room after a pointer (``cap``, ``capacity``, ``limit``, ``room``): bytes are written there, and shown after the call
- ``…_out``: the host writes a u32 there, shown after the call; ``size_out``: two of them
- other pointers (``ptr``, ``…_ptr`` and a few) are shown in hexadecimal, everything else as a number
- what a host module knows better stands in its ``words``
"""

from __future__ import annotations

import codecs
import inspect
import struct
from collections.abc import Callable, Mapping, Sequence

from weft.wasm.guard import Refusal
from weft.wasm.memory import GuestMemory

MAX_TEXT = 120
"""Bytes of a text that are shown."""

MAX_HEX = 8
"""Bytes of other data that are shown."""

Words = Callable[[GuestMemory, int], str]
"""What a parameter's value means."""

_LENGTHS = frozenset(("length", "size"))
_ROOMS = frozenset(("cap", "capacity", "limit", "room"))
_POINTERS = frozenset(("ptr", "out", "data", "dims", "tags", "events", "subscriptions"))
_U32 = struct.Struct("<I")
_TWO_U32 = struct.Struct("<II")


class Plan:
    """How the calls of one host function read, worked out once from its parameters' names."""

    def __init__(self, method: Callable[..., object], words: Mapping[str, Words], memory: GuestMemory) -> None:
        names = [name.lstrip("_") for name in inspect.signature(method).parameters]
        self._memory = memory
        self._reads: list[Callable[[Sequence[int]], str]] = []
        self._room: int | None = None
        self._outs: list[tuple[int, str]] = []
        index = 0
        while index < len(names):
            index += self._add(names, index, words)

    def arguments(self, args: Sequence[int]) -> str:
        """What stands between the brackets."""
        return ", ".join(read(args) for read in self._reads)

    def results(self, args: Sequence[int], result: int) -> str:
        """What a call that was not refused left in guest memory: a text, numbers."""
        wrote = self._written(args, result) if self._room is not None else ""
        outs = ", ".join(filter(None, (self._out(name, args[index]) for index, name in self._outs)))
        return " ".join(filter(None, (wrote, f"-> {outs}" if outs else "")))

    def _add(self, names: Sequence[str], index: int, words: Mapping[str, Words]) -> int:
        """Plan for the parameter at ``index``; how many it takes."""
        name, after = names[index], names[index + 1] if index + 1 < len(names) else ""
        memory = self._memory
        if after in _LENGTHS or after.endswith("_len"):
            self._reads.append(lambda args: span(memory, args[index], args[index + 1]))
            return 2
        if after in _ROOMS:
            self._room = index
            self._reads.append(lambda args: f"room for {args[index + 1] & 0xFFFFFFFF}")
            return 2
        if name.endswith("_out"):
            self._outs.append((index, name.removesuffix("_out")))
        elif name in words:
            self._reads.append(lambda args: _known(words[name], memory, args[index]))
        elif name in _POINTERS or name.endswith("_ptr"):
            self._reads.append(lambda args: pointer(args[index]))
        else:
            self._reads.append(lambda args: str(args[index]))
        return 1

    def _written(self, args: Sequence[int], result: int) -> str:
        """The text a call wrote; nothing for a call without a count, or for other data."""
        assert self._room is not None
        ptr, room = args[self._room], args[self._room + 1] & 0xFFFFFFFF
        if result <= 0:
            return ""
        if result > room:
            return "(more than there is room for)"
        text = text_of(_beginning(self._memory, ptr, result), result)
        return text or ""

    def _out(self, name: str, ptr: int) -> str:
        try:
            if name == "size":
                width, height = self._memory.unpack(_TWO_U32, ptr)
                return f"{width} × {height}"
            return f"{name} {self._memory.unpack(_U32, ptr)[0]}"
        except Refusal:
            return ""


def pointer(value: int) -> str:
    """An address in guest memory."""
    return f"{value & 0xFFFFFFFF:#x}"


def number_words(names: Mapping[int, object]) -> Words:
    """A parameter that is one of a few numbers with a name."""
    return lambda _memory, value: str(names.get(value, value))


def span(memory: GuestMemory, ptr: int, length: int) -> str:
    """Bytes a guest passes: a text in quotes, or how many there are and the first of them."""
    length &= 0xFFFFFFFF
    if not length:
        return '""'
    data = _beginning(memory, ptr, length)
    if len(data) < min(length, MAX_TEXT):
        return f"{length} bytes at {pointer(ptr)}, outside its memory"
    start = data[:MAX_HEX].hex(" ") + (" …" if length > MAX_HEX else "")
    return text_of(data, length) or f"{length} bytes: {start}"


def text_of(data: bytes, length: int) -> str | None:
    """The beginning of a text of ``length`` bytes, in quotes; None for what is no text."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=len(data) == length)
    except UnicodeDecodeError:
        return None
    if not all(character.isprintable() or character in "\n\t\r" for character in text):
        return None
    return f'"{_escaped(text)}"' if len(data) == length else f'"{_escaped(text)}…" ({length} bytes)'


def _escaped(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _beginning(memory: GuestMemory, ptr: int, length: int) -> bytes:
    """The first bytes of a span that lies in guest memory as a whole; else nothing."""
    try:
        return memory.view(ptr, length)[:MAX_TEXT].tobytes()
    except Refusal:
        return b""


def _known(words: Words, memory: GuestMemory, value: int) -> str:
    try:
        return words(memory, value)
    except Refusal:
        return pointer(value)
