"""Functions over HTTP, beside the same work in other servers, in turns. The generator takes the same cores."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from wasmtime import wat2wasm

from bench import load
from bench.harness import Result
from bench.load import Load
from bench.others import beside
from bench.serve import LABELS, MODEL, PICTURE, ROUNDS, SECONDS, _sound, engine, serving
from weft.nn.backend import usable_cores

CLIENTS = (1, 8)
TEXT = b"a line of text, as a sensor would send it"
ECHO = """
(module
  (import "weft" "frame_size" (func $size (result i32)))
  (import "weft" "frame_read" (func $read (param i32 i32 i32) (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "text/plain")
  (func (export "weft_handle") (result i32)
    (drop (call $read (i32.const 64) (i32.const 65536) (i32.const 0)))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 64) (call $size))))
"""
CLASSIFIER = f"""
model: {MODEL}
input: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
output: {{label: {LABELS}, top: 5}}
"""

Asked = dict[str, tuple[int, bytes]]


def run() -> Iterator[Result]:
    """The results, as they are measured."""
    with TemporaryDirectory() as folder, beside.running(MODEL, LABELS, usable_cores()) as others:
        beside.say_left_out(others)
        module, document = Path(folder, "echo.wasm"), Path(folder, "classes.yaml")
        module.write_bytes(wat2wasm(ECHO))
        document.write_text(CLASSIFIER)
        with serving(f"--function=echo={module}", f"--function=classes={document}") as port:
            yield from _echo(port, others)
            for clients in CLIENTS:
                yield from _classes(port, others, clients)


def _echo(port: int, others: dict[str, int]) -> Iterator[Result]:
    asked = {"Weft": (port, load.post("/functions/echo", TEXT, "text/plain"))}
    if "FastAPI" in others:
        asked["FastAPI"] = others["FastAPI"], load.post("/echo", TEXT, "text/plain")
    rounds = _rounds(asked, 16)
    seen = max((one["Weft"] for one in rounds), key=lambda one: one.per_second)
    name = "WebAssembly function over HTTP, 16 clients"
    told = seen.told() | _left_out(others)
    yield Result(name, seen.per_second, "requests/s", 1500, "higher", told)
    yield from _beside(f"{name}: over a FastAPI handler that gives its body back, without a sandbox", 0.75, rounds)


def _classes(port: int, others: dict[str, int], clients: int) -> Iterator[Result]:
    body = PICTURE.read_bytes()
    asked = {"Weft": (port, load.post("/functions/classes", body, "image/jpeg"))}
    asked |= {name: (at, beside.OTHERS[name].ask("picture", body)) for name, at in others.items()}
    engines: list[float] = []
    rounds = _rounds(asked, clients, lambda: engines.append(engine()))
    name = f"Classifier as a function over HTTP with JPEG, {clients} client{'s' if clients > 1 else ''}"
    seen = [one["Weft"] for one in rounds]
    ratio = statistics.median(one.per_second / alone for one, alone in zip(seen, engines, strict=True))
    figures = {"onnxruntime": round(statistics.median(engines), 1), "weft": round(seen[-1].per_second, 1)}
    yield Result(name, ratio, "ratio", 0.6, "higher", figures | seen[-1].told() | _left_out(others))
    yield from _beside(f"{name}: over the best other", 1.0, rounds)


def _rounds(asked: Asked, clients: int, alone: Callable[[], None] = lambda: None) -> list[dict[str, Load]]:
    """All in turns, so that the machine's moods fall on all alike."""
    for at, request in asked.values():
        load.run(at, request, clients, 0.2)
    rounds = []
    for number in range(ROUNDS):
        alone()
        names = list(asked)[:: 1 if number % 2 else -1]
        rounds.append({name: _sound(load.run(*asked[name], clients, SECONDS), name) for name in names})
    return rounds


def _beside(name: str, goal: float, rounds: list[dict[str, Load]]) -> Iterator[Result]:
    others = [one for one in rounds[0] if one != "Weft"]
    if others:
        rates = {one: [seen[one].per_second for seen in rounds] for one in rounds[0]}
        ahead = [seen["Weft"].per_second / max(seen[one].per_second for one in others) for seen in rounds]
        detail = {one: f"{statistics.median(values):.0f}/s" for one, values in rates.items()}
        yield Result(name, statistics.median(ahead), "ratio", goal, "higher", detail)


def _left_out(others: dict[str, int]) -> dict[str, str]:
    text = beside.left_out(others)
    return {"left out": text} if text else {}
