"""From a function's folder to its module."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.core.clock import monotonic
from weft.core.errors import InputError, OutputError, UnavailableError
from weft.core.units import format_duration
from weft.toolchains import language
from weft.toolchains.base import Job, Tool
from weft.toolchains.manifest import Manifest, read_manifest

LONGEST = 900.0
"""Seconds one compiler call may take; the first one of a toolchain may build its standard library."""

MAX_MESSAGES = 32 * 1024
"""Characters of a compiler's messages that are kept; what is in the middle is cut."""

_PLAIN = {"NO_COLOR": "1", "CARGO_TERM_COLOR": "never", "CLICOLOR": "0", "TERM": "dumb"}


@dataclass(frozen=True, slots=True)
class Built:
    """A module that was built.

    Attributes:
        function: of which folder.
        tool: by which compiler.
        debug: for the debugger.
        seconds: how long it took.
        messages: what the compiler had to say all the same: warnings.
    """

    function: Manifest
    tool: Tool
    debug: bool
    seconds: float
    messages: str

    @property
    def module(self) -> Path:
        """The module."""
        return self.function.module


def build(folder: Path, *, debug: bool = False) -> Built:
    """Compile the function in ``folder`` to NAME.wasm in it; the module before is kept until that is done.

    Raises NotFoundError and DocumentError for the folder, UsageError for its language, UnavailableError where there
    is no compiler, InputError with its messages where it does not compile, OutputError where it cannot be written.
    """
    function = read_manifest(folder)
    guest_language = language(function.lang)
    tool = guest_language.find(folder)
    begin = monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as name:
            scratch = Path(name).resolve()
            job = Job(function, scratch / "function.wasm", scratch, debug)
            messages = [_run(command, job, tool) for command in guest_language.commands(job, tool)]
            made = scratch / "made"
            shutil.copyfile(guest_language.product(job, tool), made)
            made.replace(function.module)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(function.module)) from error
    return Built(function, tool, debug, monotonic() - begin, "".join(messages))


def _run(command: Sequence[str], job: Job, tool: Tool) -> str:
    """Run one command in the function's folder; what it said."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=job.function.folder,
            env=_environment(tool.env),
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{tool.title} was not done after {format_duration(LONGEST)}", where=str(job.function.folder)
        ) from error
    except OSError as error:
        raise UnavailableError(f"does not start: {error.strerror}", where=command[0]) from error
    said = shortened(done.stdout.decode(errors="replace"))
    if done.returncode:
        reason = said.strip() or f"{tool.title} ended with code {done.returncode} and no word"
        raise InputError(f"does not compile:\n{reason}", where=str(job.function.folder / job.function.source))
    return said


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **_PLAIN, **more}


def shortened(text: str) -> str:
    """A text without its middle where it is longer than ``MAX_MESSAGES``."""
    if len(text) <= MAX_MESSAGES:
        return text
    half = MAX_MESSAGES // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
