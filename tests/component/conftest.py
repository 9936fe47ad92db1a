"""Components for the tests: from text, and from Python."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.component.guests import component
from tests.wasm.harness import Driven, Thread, settings
from weft.wasm.function import Function


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """``write("(component …)")`` is a file with this text."""

    def written(text: str) -> Path:
        path = tmp_path / f"c{hashlib.sha256(text.encode()).hexdigest()[:8]}.wat"
        path.write_text(text)
        return path

    return written


@pytest.fixture
def thread() -> Iterator[Thread]:
    """A thread for guests."""
    worker = Thread()
    yield worker
    worker.end()


@pytest.fixture
def drive(thread: Thread) -> Iterator[Callable[..., Driven]]:
    """``drive(path, policy=…, limits=…, …)`` is a function ready to be called; closed after the test."""
    with ExitStack() as stack:

        def driven(path: Path, *, policy: Any = "reuse", **options: Any) -> Driven:
            made = Driven(Function(path, settings(**options), policy=policy), thread)
            stack.callback(made.close)
            return made

        yield driven


@pytest.fixture
def guest(write: Callable[[str], Path], drive: Callable[..., Driven]) -> Callable[..., Driven]:
    """``guest("(call $emit_text …)", data=…, limits=…)`` is a component with this ``handle``, ready to be called."""

    def made(handle: str = "", **options: Any) -> Driven:
        of_text = {key: options.pop(key) for key in ("init", "data", "more", "start", "pages") if key in options}
        return drive(write(component(handle, **of_text)), **options)

    return made
