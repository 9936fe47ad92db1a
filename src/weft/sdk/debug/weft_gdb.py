"""Runs inside gdb: starts a function under it, sets the breakpoints, and knows a guest's memory.

``weft debug`` sets ``weft_session`` before it sources this. In a session, these are there:

- ``$guest(POINTER)``: a guest's pointer, or an address in its memory, as a pointer gdb can follow
- ``p *pointer`` and ``p pointer->field``, by functions of wasmtime, whose base address is set at every stop
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from typing import Any

import gdb

WRONG_CALL, UNAVAILABLE = 64, 69
LINKED = "wasmtime_linker_instantiate_pre"
"""What of wasmtime's C interface is called once a module is compiled, before anything in it runs."""

TRAPS = ("SIGSEGV", "SIGILL", "SIGBUS", "SIGFPE")
MAX_TEXT = 200
SETTINGS = (
    "set confirm off",
    "set breakpoint pending on",
    "set print thread-events off",
    f"handle {' '.join(TRAPS)} stop print pass",
    "handle SIGPIPE SIGUSR1 SIGUSR2 nostop noprint pass",
)


class Guest(gdb.Function):  # type: ignore[misc]  # gdb has no types
    """$guest(POINTER): where something of the guest lies in this process."""

    def __init__(self) -> None:
        super().__init__("guest")

    def invoke(self, pointer: Any) -> Any:
        """A pointer of the guest becomes one of its own type, a number a ``char *``."""
        if is_wrapper(pointer.type):
            target = pointer.type.strip_typedefs().template_argument(0)
            return (memory() + int(pointer["__ptr"])).cast(target.pointer())
        return (memory() + (int(pointer) & 0xFFFFFFFF)).cast(gdb.lookup_type("char").pointer())


class PointerPrinter:
    """A guest's pointer as ``(int *) 0xffffa8``, with its text where it points to one."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def to_string(self) -> str:
        """The words."""
        if self._value["__ptr"].is_optimized_out:
            return "<optimized out>"
        address = int(self._value["__ptr"])
        target = self._value.type.strip_typedefs().template_argument(0)
        text = ""
        if address and target.unqualified().strip_typedefs().name in {"char", "u8"}:
            with contextlib.suppress(gdb.error):
                shown = (memory() + address).cast(target.pointer()).format_string(max_elements=MAX_TEXT)
                text = shown.partition(" ")[2]
        return f"({target} *) {address:#x} {text}".rstrip()


class GuestFrames:
    """Leaves the frames below the guest's out of `bt`: those of Python and wasmtime. `bt -no-filters` has them."""

    def __init__(self) -> None:
        self.name, self.priority, self.enabled = "guest", 100, True
        gdb.frame_filters[self.name] = self

    def filter(self, frames: Iterator[Any]) -> Iterator[Any]:
        """The guest's frames, where they are the innermost."""
        first = next(frames, None)
        if first is None or not is_guests(first.inferior_frame()):
            return itertools.chain(filter(None, [first]), frames)
        return itertools.chain([first], itertools.takewhile(lambda frame: is_guests(frame.inferior_frame()), frames))


def is_guests(frame: Any) -> bool:
    """Whether a frame is a function of the guest."""
    return frame is not None and in_guest_code(frame.pc())


def is_wrapper(kind: Any) -> bool:
    """Whether a type is wasmtime's for a guest's pointer."""
    return (kind.strip_typedefs().name or "").startswith("WebAssemblyPtrWrapper<")


def printer(value: Any) -> PointerPrinter | None:
    """What gdb asks for each value it prints."""
    return PointerPrinter(value) if is_wrapper(value.type) else None


def memory() -> Any:
    """The start of the guest's memory, as a pointer to bytes. Raises gdb.error outside of the guest."""
    frame = gdb.selected_frame() if gdb.selected_thread() else None
    while frame is not None and is_guests(frame):
        with contextlib.suppress(ValueError, gdb.error):  # not every function says where it is
            return frame.read_var("__vmctx")["memory"]
        frame = frame.older()
    raise gdb.error("This is not in the guest: choose one of its frames with `up`, `down` or `frame N`.")


def stopped(event: Any) -> None:
    """At each stop in the guest: tell wasmtime whose pointers are meant, and after a trap, what one can do."""
    if not is_guests(gdb.newest_frame()):
        return
    with contextlib.suppress(gdb.error):  # where this function does not say, the last stop's memory holds
        gdb.execute("with language c -- call __vmctx->set()", to_string=True)
    if isinstance(event, gdb.SignalEvent) and event.stop_signal in TRAPS:
        print("The guest trapped here. `bt` shows the way to it, `info locals` what it had; `continue` ends it.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What gdb says goes nowhere: it warns of every section of code made at run time. The process has its own ways."""
    gdb.flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    try:
        yield
    finally:
        gdb.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def alive() -> bool:
    """Whether the process runs still."""
    return bool(gdb.selected_inferior().pid)


def exit_code() -> int:
    """What the process ended with."""
    code = gdb.convenience_variable("_exitcode")
    return 0 if code is None else int(code)


def quit_with(code: int) -> None:
    """End gdb, and the process with it."""
    gdb.execute(f"quit {code}")


def start(settings: list[str]) -> None:
    """Run up to where the module is compiled and known to gdb, and nothing in it has run."""
    for line in (*SETTINGS, *settings):
        gdb.execute(line, to_string=True)
    with quiet():
        gdb.execute(f"tbreak {LINKED}")
        gdb.execute("run")
    gdb.execute("set auto-solib-add off")  # libraries that come later have nothing for guests, and take seconds
    if not alive():
        quit_with(exit_code())


def set_breakpoints(wanted: list[str], defaults: list[str]) -> None:
    """The breakpoints asked for, or the first default there is. Raises gdb.error for one that is nowhere."""
    gdb.execute("set breakpoint pending off")
    for place in wanted:
        set_breakpoint(place)
    if wanted:
        return
    for place in defaults:
        with contextlib.suppress(gdb.error):
            set_breakpoint(place)
            return
    raise gdb.error("There is no function to stop at.")


def set_breakpoint(place: str) -> None:
    """A breakpoint in the guest: Python and its libraries have functions of the same names. Raises gdb.error."""
    gdb.execute(f"break {place}", to_string=True)
    made = gdb.breakpoints()[-1]
    locations = getattr(made, "locations", [])  # from gdb 13 on
    hosts = [number for number, at in enumerate(locations, 1) if not in_guest_code(at.address)]
    if hosts and len(hosts) == len(locations):
        made.delete()
        raise gdb.error(f"{place} is not in the guest.")
    for number in hosts:
        gdb.execute(f"disable {made.number}.{number}")


def in_guest_code(address: int) -> bool:
    """Whether there is code of the guest: what was compiled while the process ran."""
    symtab = gdb.find_pc_line(address).symtab
    return symtab is not None and str(symtab.objfile.filename).startswith("<in-memory")


def run_commands(commands: list[str]) -> int:
    """The commands of a batch; the exit code. One that fails ends it."""
    for command in commands:
        try:
            gdb.execute(command)
        except gdb.error as error:
            print(f"error: {command}: {error}")
            return WRONG_CALL
    return 0 if alive() else exit_code()


def main(session: dict[str, Any]) -> None:
    """Start, stop at the first breakpoint, and run the commands of a batch."""
    batch = session["batch"]
    gdb.pretty_printers.append(printer)
    Guest()
    GuestFrames()
    try:
        start(session["settings"])
    except gdb.error as error:
        print(f"error: gdb cannot start the function: {error}")
        quit_with(UNAVAILABLE)
    try:
        set_breakpoints(session["breaks"], session["defaults"])
    except gdb.error as error:
        print(f"error: {error}\n  cure: name a function of the guest, or FILE:LINE")
        if batch:
            quit_with(WRONG_CALL)
        return
    gdb.events.stop.connect(stopped)
    gdb.execute("continue")
    if not alive():
        print("The function ended without reaching a breakpoint.")
    code = run_commands(session["commands"])
    if batch:
        quit_with(code)


main(json.loads(weft_session))  # type: ignore[name-defined]  # noqa: F821 - set before this is sourced
