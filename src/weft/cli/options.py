"""Options as people write them, turned into what the layers below take."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core import resources
from weft.core.errors import NotFoundError, UsageError
from weft.core.hosts import parse_host
from weft.core.limits import CAPABILITIES, DirGrant, Grants, Limits, parse_dir, parse_state
from weft.core.remote import is_remote, meant_reference
from weft.core.suggest import did_you_mean, meant_file, nearest
from weft.core.units import parse_duration, parse_size
from weft.flow.remote import local_path

if TYPE_CHECKING:
    from weft.wasm.trace import HostTrace

FOREGROUND_TIME = 60.0
"""Seconds a module in the foreground may run unless --timeout says otherwise: it may be waiting for its input."""


command_line: ContextVar[Sequence[str]] = ContextVar("command_line", default=())
"""The words this command was called with, to tell what stands after ``--``."""


def pairs(option: str, values: Iterable[str], example: str) -> dict[str, str]:
    """NAME=VALUE options as a dict. Raises UsageError for one without a name, or a name given twice."""
    out: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {text}: expected NAME=VALUE", cure=f"write it like {option} {example}")
        if name in out:
            raise UsageError(f"{option} {name}= is given twice", cure="keep one")
        out[name] = value
    return out


def environment(values: Iterable[str], own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """--env options: NAME=VALUE, or NAME alone for the value of this process's own variable."""
    out: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals and name not in own:
            raise UsageError(f"--env {name}: not set in this environment", cure=f"write --env {name}=VALUE")
        out[name] = value if equals else own[name]
    return out


def grants(
    dirs: Sequence[str], env: Sequence[str], allow: Sequence[str], state: str | None = None, http: Sequence[str] = ()
) -> Grants:
    """Grants from --dir, --env, --allow, --state and --http."""
    for capability in allow:
        if capability not in CAPABILITIES:
            known = ", ".join(CAPABILITIES)
            cure = did_you_mean(capability, CAPABILITIES) or f"one of {known}"
            raise UsageError(f"--allow {capability}: no such capability", cure=cure)
    kept = None if state is None else parse_state(state)
    hosts = tuple(map(parse_host, http))
    return Grants(tuple(map(directory, dirs)), environment(env), frozenset(allow), kept, hosts)


def directory(text: str) -> DirGrant:
    """A --dir option; ``.:.`` and other HOST:GUEST forms as other runtimes write them."""
    grant = parse_dir(text)
    if not os.path.isdir(grant.host):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        raise UsageError(f"--dir {text}: no directory {grant.host}", cure="write --dir HOST[:GUEST][:ro]")
    return grant


def limits(memory: str | None, timeout: str | None, others: Iterable[str] = ()) -> Limits:
    """Limits from --memory, --timeout ("none" for no time limit) and --limit NAME=VALUE."""
    written = pairs("--limit", others, "stdout=64MiB")
    written |= {name: text for name, text in (("memory", memory), ("time", timeout)) if text is not None}
    values: dict[str, Any] = {name: _limit(name, text) for name, text in written.items()}
    return replace(Limits(time=FOREGROUND_TIME), **values)


def _limit(name: str, text: str) -> int | float:
    kinds = {field.name: type(field.default) for field in fields(Limits)}
    if name not in kinds:
        cure = did_you_mean(name, kinds) or f"one of {', '.join(kinds)}"
        raise UsageError(f"--limit {name}: no such limit", cure=cure)
    if kinds[name] is float:
        return math.inf if text == "none" else parse_duration(text)
    return parse_size(text)


@contextmanager
def host_trace(lines: int, *, on: bool, named: bool = False) -> Iterator[HostTrace | None]:
    """--trace-host: where calls of the host are told while the block runs, and counted beyond ``lines``."""
    if lines < 1:
        raise UsageError(f"--trace-lines {lines}: at least 1", cure="leave it out for 1000")
    if not on:
        yield None
        return
    from weft.cli.streams import say
    from weft.wasm.trace import HostTrace

    trace = HostTrace(say, lines=lines, named=named)
    try:
        yield trace
    finally:
        trace.close()


def existing(text: str, what: str) -> Path:
    """A path that must be there, or a reference's. Raises NotFoundError with the file's neighbour that was meant."""
    if is_remote(text):
        return local_path(text)
    path = Path(text)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            aim = f"a link to {path.readlink()}, which is not there"
            raise NotFoundError(aim, where=text, cure="mend the link") from None
        cure = meant_reference(text) or meant_file(path) or f"check the path of the {what}"
        raise NotFoundError("no such file", where=text, cure=cure) from None
    except OSError as error:
        cure = f"check the path of the {what}"
        raise NotFoundError(f"cannot be opened: {error.strerror}", where=text, cure=cure) from error
    return path


def target(text: str) -> str:
    """What is to be run: a reference becomes the path of its file. Raises as :func:`local_path`."""
    return str(local_path(text)) if is_remote(text) else text


def module(text: str) -> Path:
    """A module's file, or a function that comes with Weft. Raises NotFoundError."""
    if text.startswith(resources.SHIPPED):
        return resources.module(text)
    return existing(text, "module")


def check_words(words: Sequence[str], known: Iterable[str]) -> None:
    """Guests get the words after the module; one that looks like a misspelt option of ours is asked about.

    Raises UsageError unless the word stands after ``--``.
    """
    tokens = list(command_line.get())
    ours = tokens[: tokens.index("--")] if "--" in tokens else tokens
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and len(name) > 3 and word in ours and (match := nearest(name, known)):
            raise UsageError(
                f"no option {name}", cure=f"did you mean {match}? To pass it to the guest, write it after --"
            )


def option_names(command: Callable[..., object]) -> tuple[str, ...]:
    """The options of a command, as they are written; those of its groups are the fields of dataclasses."""
    named = [one for one in inspect.signature(command).parameters.values() if one.kind is one.KEYWORD_ONLY]
    groups = [
        [field.name for field in fields(one.default)] if is_dataclass(one.default) else [one.name] for one in named
    ]
    return tuple(_option(name) for group in groups for name in group)


def written(*groups: Any) -> tuple[str, ...]:
    """The options of some groups that say something else than by default, as they are written."""
    return tuple(
        _option(field.name)
        for group, plain in ((group, type(group)()) for group in groups)
        for field in fields(group)
        if getattr(group, field.name) != getattr(plain, field.name)
    )


def _option(name: str) -> str:
    return f"--{name.rstrip('_').replace('_', '-')}"
