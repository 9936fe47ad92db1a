"""Python functions: what a frame costs in each form beside the function's own work, and what starting one does."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.harness import Result, seconds
from bench.sandbox import on_thread
from weft.core.frame import Frame
from weft.core.protocols import StartedHandler
from weft.flow.functions import FunctionOptions, load_function

FRAMES = 200
STARTS = 9

_NUMPY = """
import numpy as np

def handle(frame):
    values = np.frombuffer(frame.payload, np.uint8)
    return values[:values.size // 2].tobytes()
"""
_PLAIN = """
def handle(frame):
    return frame.payload[:2048]
"""
_NOTHING = """
def handle(frame):
    return None
"""


def run() -> Iterator[Result]:
    """One figure for each form."""
    yield from on_thread(lambda: list(measure()))


def measure() -> Iterator[Result]:
    """The forms one after the other: a frame, and a fresh instance with its first frame."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_numpy, open_plain, open_nothing, open_stdio = (
            _opener(folder, *made)
            for made in (
                ("with_numpy", _NUMPY, "stdio"),
                ("plain", _PLAIN, "component"),
                ("nothing", _NOTHING, "component"),
                ("without_numpy", _PLAIN, "stdio"),
            )
        )
        numpy = {size: _frame(open_numpy, size) for size in (4_000, 150_000, 1_000_000)}
        plain = {size: _frame(open_plain, size) for size in (4_000, 150_000)}
        loading = _ms([seconds(lambda: load_function(folder / "plain.py", FunctionOptions())) for _ in range(STARTS)])
        starts = {
            "stdio": _start(open_stdio),
            "stdio with numpy": _start(open_numpy),
            "component": _start(open_nothing),
        }
    detail = {f"{size // 1000} KB": taken for size, taken in numpy.items() if size != 150_000}
    yield Result("python: a frame of 150 KB with numpy (stdio)", numpy[150_000], "ms", 3, "lower", detail)
    yield Result("python: a frame of 4 KB (component)", plain[4_000], "ms", 2, "lower", {"150 KB": plain[150_000]})
    fresh = starts.pop("component")
    yield Result("python: a fresh instance with its first frame (component)", fresh, "ms", 5, "lower")
    yield Result("python: loading a function that was run before (component)", loading, "ms", 500, "lower")
    yield Result("python: start with numpy (stdio)", starts.pop("stdio with numpy"), "ms", 500, "lower", starts)


def _opener(folder: Path, name: str, text: str, abi: str) -> Callable[[], StartedHandler]:
    path = folder / f"{name}.py"
    path.write_text(text)
    return load_function(path, FunctionOptions(abi=abi)).instance


def _frame(new_handler: Callable[[], StartedHandler], size: int) -> float:
    """Milliseconds of a frame through a kept instance."""
    handler, frame = new_handler(), Frame(bytes(size))
    handler.handle(frame)
    taken = [seconds(lambda: handler.handle(frame)) for _ in range(FRAMES)]
    handler.close()
    return _ms(taken)


def _start(new_handler: Callable[[], StartedHandler]) -> float:
    """Milliseconds of a fresh instance with its first frame."""
    taken = []
    for _ in range(STARTS):
        handler = new_handler()
        taken.append(seconds(partial(handler.handle, Frame(b"x"))))
        handler.close()
    return _ms(taken)


def _ms(taken: list[float]) -> float:
    return round(statistics.median(taken) * 1e3, 3)
