"""Guests for the sandbox's tests: from C, from text, and probes of host modules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.guests.build import GUESTS, REPOSITORY, compile_guest, shared_folder
from tests.wasm.harness import Driven, Probe, Thread, probe_wat, settings
from weft.wasm.function import Function


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``guest("echo")`` is the compiled module of tests/guests/echo.c, or of guests/echo.c."""
    folder = shared_folder(tmp_path_factory)

    def module(name: str) -> Path:
        source = GUESTS / f"{name}.c"
        return compile_guest(source if source.is_file() else REPOSITORY / "guests" / f"{name}.c", folder)

    return module


@pytest.fixture
def wat(tmp_path: Path) -> Callable[..., Path]:
    """``wat("(module …)")`` is a file with this text."""

    def write(text: str) -> Path:
        path = tmp_path / f"m{hashlib.sha256(text.encode()).hexdigest()[:8]}.wat"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def open_for_test() -> Iterator[ExitStack]:
    """What is closed when the test ends."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def thread(open_for_test: ExitStack) -> Thread:
    """A thread that is not the main one."""
    thread = Thread()
    open_for_test.callback(thread.end)
    return thread


@pytest.fixture
def drive(thread: Thread, open_for_test: ExitStack) -> Callable[..., Driven]:
    """``drive(path, limits=…)`` is a handler of a module, ready to be called."""

    def make(
        path: Path, *, abi: str | None = None, policy: Any = "reuse", name: str = "guest", **options: Any
    ) -> Driven:
        driven = Driven(Function(path, settings(name, **options), abi=abi, policy=policy), thread)
        open_for_test.callback(driven.close)
        return driven

    return make


@pytest.fixture
def probe(wat: Callable[..., Path], thread: Thread, open_for_test: ExitStack) -> Callable[..., Probe]:
    """``probe("weft", config=…)`` calls the functions of a host module through wasm."""

    def make(module: str, *, pages: int = 64, **options: Any) -> Probe:
        made = Probe(wat(probe_wat(module, pages=pages)), thread, settings("probe", **options))
        open_for_test.callback(made.close)
        return made

    return make
