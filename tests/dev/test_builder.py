"""Builds in the background: one at a time, and once more for what changed meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from weft.core.errors import InputError
from weft.dev import builder as module
from weft.dev.builder import Builder
from weft.dev.messages import Outcome

PATIENCE_S = 10.0


class Compiler:
    """Stands in for the compiler: each build waits until it is let go."""

    def __init__(self) -> None:
        self.built: list[Path] = []
        self.begun: SimpleQueue[Path] = SimpleQueue()
        self.let_go = threading.Semaphore(0)
        self.at_once = 0

    def __call__(self, folder: Path, *, debug: bool) -> object:
        self.at_once += 1
        assert self.at_once == 1
        self.begun.put(folder)
        assert self.let_go.acquire(timeout=PATIENCE_S)
        self.at_once -= 1
        self.built.append(folder)
        if folder.name == "broken":
            raise InputError("does not compile")
        return ("module", debug)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    made = Compiler()
    monkeypatch.setattr(module, "build", made)
    return made


def test_what_changes_while_it_is_built_is_built_once_more(compiler: Compiler) -> None:
    done: SimpleQueue[Outcome] = SimpleQueue()
    builder = Builder(done.put, debug=True)
    builder.request(Path("a"))
    assert compiler.begun.get(timeout=PATIENCE_S) == Path("a")
    for _ in range(3):
        builder.request(Path("a"))
    builder.request(Path("broken"))
    assert not builder.idle
    compiler.let_go.release(3)
    outcomes = [done.get(timeout=PATIENCE_S) for _ in range(3)]
    assert compiler.built == [Path("a"), Path("a"), Path("broken")]
    assert [outcome.built for outcome in outcomes] == [("module", True), ("module", True), None]
    assert isinstance(outcomes[2].error, InputError)
    assert outcomes[0].at <= outcomes[1].at <= outcomes[2].at
    builder.close()
    assert builder.idle


def test_closing_waits_for_the_compiler_but_builds_nothing_more(compiler: Compiler) -> None:
    builder = Builder(lambda outcome: None)
    builder.request(Path("a"))
    compiler.begun.get(timeout=PATIENCE_S)
    builder.request(Path("b"))
    closing = threading.Thread(target=builder.close)
    closing.start()
    while not builder._closed:
        closing.join(0.001)
    compiler.let_go.release(2)
    closing.join(PATIENCE_S)
    assert compiler.built == [Path("a")]
    assert not [thread for thread in threading.enumerate() if thread.name == "weft-builder"]
