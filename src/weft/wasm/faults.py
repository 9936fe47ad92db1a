"""Why a guest failed, said once and for people: wasmtime's traps as the errors of the tree."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import wasmtime

from weft.core.errors import (
    GuestError,
    GuestExit,
    GuestFailed,
    GuestTrap,
    MemoryLimitError,
    TimeLimitError,
    WeftError,
)
from weft.core.limits import Limits
from weft.core.text import visible
from weft.core.units import format_duration, format_size
from weft.wasm.engine import STACK

if TYPE_CHECKING:
    from weft.wasm.instance import Instance, TimeLimit

NEAR = 0.9
"""A guest that fails with this share of its memory limit in use failed for want of memory."""

NEAR_PANIC = 0.5
"""As ``NEAR``, for one that gave up: an allocator that doubles what it has fails when half of the limit is in use."""

MAX_FRAMES = 8
"""Calls that an error tells of."""

MAX_NAME = 200
"""Characters of a function's or a file's name in an error."""

_FRAME = re.compile(r"\s+(?:\d+:\s+0x[0-9a-f]+ )?- (.+)")
_AT = re.compile(r"\s+at (.+?):(\d+)(?::\d+)?")
"""A function's line in wasmtime's backtrace, and the line after it with its place in the source."""

_NUMBERED = re.compile(r"^\d+: ")
"""Before each of several causes."""

_HAS_LINE = re.compile(r" at [^,]+:\d+")
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
_LIBRARY = re.compile(r"^/rustc/|/library/(std|core|alloc|panic_\w+)/|/lib/(libc|std|compiler_rt)/|/src/runtime/")

_TRAPS = {
    "wasm `unreachable` instruction executed": "UNREACHABLE",
    "call stack exhausted": "STACK_OVERFLOW",
    "out of bounds memory access": "MEMORY_OUT_OF_BOUNDS",
    "integer divide by zero": "INTEGER_DIVISION_BY_ZERO",
}
_TOO_MUCH = "fuel allocated for hostcalls has been exhausted"

_CURES = {
    "STACK_OVERFLOW": (f"its stack of {format_size(STACK)} overflowed", "recurse less deeply, or use the heap"),
    "UNREACHABLE": ("it gave up (unreachable)", "its language's panic or abort; build with names to see where"),
    "MEMORY_OUT_OF_BOUNDS": ("it touched memory outside its own", ""),
    "INTEGER_DIVISION_BY_ZERO": ("it divided by zero", ""),
}


def seconds(limits: Limits, limit: TimeLimit) -> float:
    """How long a call under this limit may take."""
    return {"time": limits.time, "start": limits.start, "none": math.inf}[limit]


def guest_error(instance: Instance, error: Exception) -> WeftError:
    """The error for a call that did not return, from wasmtime's trap or error."""
    name = instance.settings.name
    if instance.fatal is not None:
        return instance.fatal.at(name)
    if instance.expired():
        return _time_error(instance)
    if isinstance(error, wasmtime.ExitTrap):
        full = _memory_error(instance, f"exited with code {error.code}") if error.code else None
        return full or GuestExit(error.code, _because(instance), where=name, cure=instance.cure)
    if "exceeds memory limits" in str(error):
        return MemoryLimitError(
            f"needs more memory at its start than its limit of {_memory_limit(instance)}",
            where=name,
            cure="raise limits.memory (--memory)",
        )
    if _TOO_MUCH in str(error):
        return GuestTrap(
            "passed a list of bytes that is too long for one call" + _because(instance),
            where=name,
            cure="pass at most 1 MiB at once, or text: emit-text, emit-latin1; see docs/components",
        )
    what, cure = _trapped(error)
    grew = instance.memory.size > instance.born_with
    near = NEAR_PANIC if grew and _code(error) == "UNREACHABLE" else NEAR
    if _code(error) == "UNREACHABLE" and not instance.memory.size:
        cure += f"; out of its {_memory_limit(instance)} of memory it ends like this, too (limits.memory)"
    trap = GuestTrap(what + _because(instance), where=name, cure=instance.cure or cure)
    return _memory_error(instance, what, near) or trap


def refused(instance: Instance, function: str, code: int) -> WeftError:
    """The error for an export that returned non-zero."""
    because = _because(instance)
    what = f"{function} returned {code}"
    if not because and (error := _memory_error(instance, what)):
        return error
    return GuestFailed(what + (because or "; it gave no reason"), where=instance.settings.name, cure=instance.cure)


def failed(instance: Instance, function: str, said: str) -> GuestFailed:
    """The error for an export that failed in words, with the host's reasons where the words do not repeat them."""
    notes = [note for note in instance.notes if note.partition(": ")[2] not in said]
    what = "; ".join([f"{function} failed: {said or 'it gave no reason'}", *notes])
    return GuestFailed(what, where=instance.settings.name, cure=instance.cure)


def host_fault(name: str, error: BaseException) -> WeftError:
    """A defect of the host itself, contained: the frame fails, the process lives."""
    return GuestError(
        f"the host failed in a call of the guest: {type(error).__name__}: {error}",
        where=name,
        cure="this is a defect of Weft; please report it",
    )


def _time_error(instance: Instance) -> WeftError:
    allowed = format_duration(seconds(instance.settings.limits, instance.limit))
    started = instance.limit == "start"
    what = f"ran longer than the {allowed} it has to start" if started else f"ran longer than its {allowed}"
    return TimeLimitError(
        what + _because(instance),
        where=instance.settings.name,
        cure="raise limits.start, or do less before the first frame"
        if started
        else "raise limits.time (--timeout), or look for an endless loop",
    )


def _memory_error(instance: Instance, what: str, near: float = NEAR) -> WeftError | None:
    """A failure with the memory nearly full: the failed allocation is not seen, only what it led to."""
    size = instance.memory.size
    if size < near * instance.settings.limits.memory:
        return None
    return MemoryLimitError(
        f"failed with {format_size(size)} of its {_memory_limit(instance)} of memory in use: {what}"
        + _because(instance),
        where=instance.settings.name,
        cure="raise limits.memory (--memory), or look for what keeps growing",
    )


def _memory_limit(instance: Instance) -> str:
    return format_size(instance.settings.limits.memory)


def _trapped(error: Exception) -> tuple[str, str]:
    """What happened, and the cure where one is known."""
    what, cure = _CURES.get(_code(error), (_last_line(error), ""))
    place = _place(error)
    if _HAS_LINE.search(place) and _code(error) != "STACK_OVERFLOW":
        cure = "`weft debug` stops there and shows the variables"
    return f"trapped{place}: {what}", cure


def _code(error: Exception) -> str:
    if isinstance(error, wasmtime.Trap):
        return error.trap_code.name if error.trap_code else ""
    return _TRAPS.get(_last_line(error), "")  # a component's trap comes as an error, in words


def _because(instance: Instance) -> str:
    """The refusals and last words that came before, which often are the reason."""
    parts = [*instance.notes]
    if instance.notes_dropped:
        parts.append(f"and {instance.notes_dropped} more")
    if words := instance.output.last_words():
        parts.append(f"its last words: {words}")
    return f"; {'; '.join(parts)}" if parts else ""


def _place(error: Exception) -> str:
    """Where it trapped; with the calls that led there, where the module's debug information has the lines."""
    text = error.message if isinstance(error, wasmtime.Trap) else str(error)
    if lines := source_frames(text):
        first, *callers = lines[:MAX_FRAMES]
        more = f" and {len(lines) - MAX_FRAMES} more" if len(lines) > MAX_FRAMES else ""
        return f" in {first}" + (f", called by {', by '.join(callers)}{more}" if callers else "")
    if isinstance(error, wasmtime.Trap):
        names = [frame.func_name or "" for frame in error.frames]
    else:
        names = [named[1].rpartition("!")[2] for line in text.splitlines() if (named := _FRAME.fullmatch(line))]
    return f" in {visible(names[0][:MAX_NAME])}" if names and names[0] and not names[0].startswith("<") else ""


def source_frames(text: str) -> list[str]:
    """``function at file:line`` for the calls of wasmtime's backtrace, innermost first; none without source lines.

    A language's own library is left out, in which a panic ends: the line that panicked is what matters.
    """
    frames: list[tuple[str, str]] = []
    name = ""
    for line in text.splitlines():
        if named := _FRAME.fullmatch(line):
            name = _RUST_HASH.sub("", named[1].rpartition("!")[2])[:MAX_NAME]
        elif at := _AT.fullmatch(line):
            path = at[1].replace("\\", "/")
            frames.append((path, f"{name} at {path.rpartition('/')[2][-MAX_NAME:]}:{at[2]}"))
    own = [words for path, words in frames if not _LIBRARY.search(path)]
    return [visible(words) for words in own or [words for _, words in frames]]


def _last_line(error: Exception) -> str:
    last = str(error).strip().splitlines()[-1].strip()
    return _NUMBERED.sub("", last).removeprefix("wasm trap: ")
