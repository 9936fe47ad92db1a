"""A development session on a thread, with what it told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import pytest

from weft.core.clock import monotonic
from weft.dev import events
from weft.dev.session import Session
from weft.dev.target import target_of

PATIENCE_S = 30.0
E = TypeVar("E", bound=events.Event)

SAYS = """
(module
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "text/plain")
  (data (i32.const 16) "{says}")
  (func (export "weft_init") (result i32) (i32.const {init}))
  (func (export "weft_handle") (result i32)
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 16) (i32.const {size}))))
"""

PIPELINE = """
name: bench
sources: {{belt: {source}}}
functions:
  says: {{wasm: says.wat, inputs: [belt], replicas: 2{more}}}
sinks: {{out: {{type: jsonl, path: out.jsonl, inputs: [says]}}}}
"""
PATTERN = "{type: pattern, size: 16x16, fps: 100}"


def says(text: str, *, init: int = 0) -> str:
    """A module that says ``text`` of every frame."""
    return SAYS.format(says=text, size=len(text), init=init)


class Developed:
    """A folder with a pipeline, and a session that develops it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: SimpleQueue[events.Event] = SimpleQueue()
        self.seen: list[events.Event] = []
        self.summary: Any = None
        self._session: Session | None = None
        self._thread: threading.Thread | None = None

    def write(self, name: str, text: str) -> Path:
        """Save a file as editors do: whole, by renaming."""
        path = self.folder / name
        beside = path.with_name(f".{name}.new")
        beside.write_text(text)
        return beside.replace(path)

    def start(self, target: Path | None = None, pipeline: Path | None = None) -> Developed:
        self._session = Session(target_of(target or self.folder / "pipeline.yaml", pipeline), self.told.put)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def until(self, kind: type[E], match: Callable[[E], bool] = lambda event: True) -> E:
        """Wait for an event; those before it are in ``seen``."""
        while True:
            try:
                event = self.told.get(timeout=PATIENCE_S)
            except Empty:
                raise AssertionError(f"no {kind.__name__} after {self.seen}") from None
            self.seen.append(event)
            if isinstance(event, kind) and match(event):
                return event

    def until_said(self, text: str) -> None:
        """Wait until the sink has something."""
        deadline = monotonic() + PATIENCE_S
        out = self.folder / "out.jsonl"
        while not (out.exists() and f'"{text}"' in out.read_text()):
            assert monotonic() < deadline, f"nobody said {text}"
            self._thread.join(0.005)

    def since(self, kind: type[E]) -> list[E]:
        """The events of a kind that were waited past."""
        return [event for event in self.seen if isinstance(event, kind)]

    def interrupt(self) -> None:
        self._session.interrupt("SIGINT")

    def finish(self) -> None:
        """End the session."""
        if self._thread is not None and self._thread.is_alive():
            self.interrupt()
            self._thread.join(PATIENCE_S)
            assert not self._thread.is_alive()

    @property
    def said(self) -> list[str]:
        """What the sink got, in its order."""
        return [json.loads(line)["payload"] for line in (self.folder / "out.jsonl").read_text().splitlines()]

    def _run(self) -> None:
        self.summary = self._session.run()


@pytest.fixture
def developed(tmp_path: Path) -> Iterator[Developed]:
    """A pipeline whose function says "one" of every frame; not started."""
    made = Developed(tmp_path)
    made.write("says.wat", says("one"))
    made.write("pipeline.yaml", PIPELINE.format(source=PATTERN, more=""))
    yield made
    made.finish()


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    ours = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("weft")]
    left = [thread for thread in ours if thread.name != "weft-watchdog"]
    for thread in left:
        thread.join(5)
    assert not [thread.name for thread in left if thread.is_alive()]
