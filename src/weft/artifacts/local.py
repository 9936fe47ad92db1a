"""References as paths: the one place where a name of something elsewhere becomes a file of this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from weft.artifacts.pull import file_of, pull
from weft.artifacts.reference import parse_reference
from weft.artifacts.settings import Settings
from weft.artifacts.store import Store

T = TypeVar("T")


def local_path(reference: str, settings: Settings | None = None) -> Path:
    """The file a reference names, brought into the store where it is not there yet.

    A tag or branch that is there already is not looked up again: :func:`weft.artifacts.pull.pull` does that.
    Raises UsageError, NotFoundError, InputError, DeniedError, UnavailableError, OutputError.
    """
    store = Store()
    pulled = run(pull(parse_reference(reference), store, settings or Settings(), refresh=False))
    return file_of(pulled, store)


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, waited for; also from within a program that has a loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    results: list[T] = []
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            results.append(_run(work))
        except BaseException as error:  # noqa: BLE001 - it is raised below, where it is waited for
            errors.append(error)

    thread = threading.Thread(target=elsewhere, name="weft:artifacts")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop: it takes half the time for a large blob."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
