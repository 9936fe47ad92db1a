"""The pin of wasmtime."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from weft.wasm import native

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_bindings_are_those_the_native_room_was_written_against() -> None:
    assert version("wasmtime") == native.WASMTIME
    assert re.search(rf'"wasmtime=={re.escape(native.WASMTIME)}"', PROJECT.read_text())
