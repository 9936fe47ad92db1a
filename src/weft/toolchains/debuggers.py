"""gdb and lldb: where they are, and how they start a function under them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from weft.core.errors import UnavailableError, UsageError
from weft.core.resources import sdk
from weft.toolchains.search import ask, on_path

LINKED = "wasmtime_linker_instantiate_pre"
"""What of wasmtime's C interface is called once a module is compiled, before anything in it runs."""


@dataclass(frozen=True, slots=True)
class Session:
    """What to debug, and how.

    Attributes:
        process: the command of the process that runs the function.
        breaks: where to stop, as the debugger takes it.
        defaults: functions to stop at otherwise: the first there is.
        commands: what to do at the first stop, when nobody is there to say.
        batch: whether nobody is.
        sources: folders to look for sources in, ``FROM=TO`` for those that were in FROM when it was compiled.
    """

    process: Sequence[str]
    breaks: Sequence[str] = ()
    defaults: Sequence[str] = ()
    commands: Sequence[str] = ()
    batch: bool = False
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Debugger:
    """A debugger that was found: its name, its path, and the command that starts a session."""

    name: str
    path: str
    command: Callable[[str, Session], list[str]]

    def words(self, session: Session) -> list[str]:
        """The command for a session. Raises UsageError for what this debugger cannot do."""
        return self.command(self.path, session)


def find_debugger(wanted: str | None = None) -> Debugger:
    """gdb, else lldb, or the one that is wanted. Raises UnavailableError, with the command that installs it."""
    for name in [wanted] if wanted else _COMMANDS:
        for path in on_path(name):
            if _works(name, path):
                return Debugger(name, path, _COMMANDS[name])
    name = wanted or "gdb"
    without = f"this {name} has no Python, which a session needs" if shutil.which(name) else ""
    other = "" if wanted else " or lldb"
    raise UnavailableError(without or f"no {name}{other} here", where="weft debug", cure=_install(name))


def _works(name: str, path: str) -> bool:
    if name == "gdb":
        return ask([path, "-nx", "-batch", "-ex", "python print('yes')"]) == "yes"
    return bool(ask([path, "--version"]))


def _install(name: str) -> str:
    installers = {"apt-get": "apt-get install", "dnf": "dnf install", "pacman": "pacman -S", "brew": "brew install"}
    how = next((words for program, words in installers.items() if shutil.which(program)), None)
    return f"{how} {name}" if how else f"install {name} and put it on PATH"


def _gdb(path: str, session: Session) -> list[str]:
    """gdb, driven by a script of ours in its Python."""
    told = {
        "settings": [_gdb_source(folder) for folder in session.sources],
        "breaks": list(session.breaks),
        "defaults": list(session.defaults),
        "commands": list(session.commands),
        "batch": session.batch,
    }
    early = [
        "set auto-load python-scripts off",  # Python's own asks for a setting, and has nothing for guests
        "set debuginfod enabled off",
        f"python weft_session = {json.dumps(told)!r}",
    ]
    options = ["-q", *(["-nx", "-batch"] if session.batch else [])]
    for line in early:
        options += ["-iex", line]
    return [path, *options, "-x", str(sdk() / "debug" / "weft_gdb.py"), "--args", *session.process]


def _gdb_source(text: str) -> str:
    built, equals, folder = text.rpartition("=")
    return f"set substitute-path {_quoted(built)} {_quoted(folder)}" if equals else f"directory {_quoted(folder)}"


def _lldb(path: str, session: Session) -> list[str]:
    """lldb, driven by its commands."""
    places = [_lldb_break(place) for place in session.breaks or session.defaults[:1]]
    lines = [
        "settings set plugin.jit-loader.gdb.enable on",
        "settings set target.disable-aslr false",  # where a container forbids it, nothing would start
        *(_lldb_source(folder) for folder in session.sources),
        "process launch --stop-at-entry",
        f"breakpoint set --one-shot true --name {LINKED}",
        "continue",
        *(line for place in places for line in (place, _LLDB_MEMORY)),
        "continue",
        *session.commands,
    ]
    options = ["--no-lldbinit", "--batch"] if session.batch else []
    for line in lines:
        options += ["--one-line", line]
    return [path, *options, "--", *session.process]


_LLDB_MEMORY = "breakpoint command add --one-liner 'expression -- (void)__vmctx->set()'"
"""Tells wasmtime's functions for pointers, at each stop at the breakpoint set last, whose memory is meant."""


def _lldb_break(place: str) -> str:
    file, colon, line = place.rpartition(":")
    if colon and line.isdecimal():
        return f"breakpoint set --file {_quoted(file)} --line {line}"
    return f"breakpoint set --name {_quoted(place)}"


def _lldb_source(text: str) -> str:
    built, equals, folder = text.rpartition("=")
    if not equals:
        cure = f"write --source BUILT={folder}, where BUILT is the folder it was compiled in"
        raise UsageError(f"--source {text}: lldb must know what it stands for", cure=cure)
    return f"settings append target.source-map {_quoted(built)} {_quoted(folder)}"


def _quoted(text: str) -> str:
    """A text as one word of a command, for either debugger."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_COMMANDS: Mapping[str, Callable[[str, Session], list[str]]] = {"gdb": _gdb, "lldb": _lldb}
