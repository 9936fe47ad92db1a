"""What a guest language is: its template, its compiler, and the commands that make a module of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from weft.toolchains.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Tool:
    """A compiler that was found.

    Attributes:
        title: its name and version, for people.
        words: the command that calls it.
        env: what its environment needs beside this process's own.
        target: the target it compiles to, where there is a choice.
        builder: the command of its package manager, where that builds.
    """

    title: str
    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    builder: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One build: of which function, to which file, for the debugger or for speed, and where to put things meanwhile."""

    function: Manifest
    output: Path
    scratch: Path
    debug: bool = False


class Language:
    """A guest language.

    Class attributes:
        name: what ``--lang`` and ``function.toml`` say.
        title: its name for people.
        source: the file a new function is written in, relative to its folder.
        endings: of the files a function may be made from, beside that of ``source``.
        binding: the files under ``sdk/NAME`` that a new function gets into its folder ``weft``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    endings: ClassVar[tuple[str, ...]] = ()
    binding: ClassVar[tuple[str, ...]]

    def find(self, folder: Path) -> Tool:
        """The compiler for the function in ``folder``: of the running Python's environment first, then on PATH.

        Raises UnavailableError, with the command that installs it.
        """
        raise NotImplementedError

    def commands(self, job: Job, tool: Tool) -> Sequence[Sequence[str]]:
        """The commands to be run in the function's folder.

        Raises DocumentError and UnavailableError where the folder asks for what the tool cannot do.
        """
        raise NotImplementedError

    def product(self, job: Job, tool: Tool) -> Path:
        """The module they make; a package manager has its own idea of where that is."""
        return job.output
