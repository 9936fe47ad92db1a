"""The sandbox tax, fresh instances, host work per frame, and what a thousand idle instances weigh."""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from bench.baseline import best_labels
from bench.harness import DATA, Result, alternate, median_ratio, medians, seconds
from weft.core.dtypes import F32
from weft.core.frame import Frame
from weft.core.model import ModelOptions
from weft.core.resources import guest
from weft.flow.functions import FunctionOptions, ModelGrant, load_module_function
from weft.media.images import open_picture
from weft.media.tensors import fill_tensor
from weft.nn.backend import Target
from weft.nn.backends.onnxruntime import session_options
from weft.wasm.function import Function

MODEL = DATA / "models" / "mobilenetv2.onnx"
LABELS = DATA / "labels" / "imagenet_1000.txt"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FRAMES = 100
ROUNDS = 9

_NOTHING = '(module (memory (export "memory") 1) (func (export "weft_handle") (result i32) i32.const 0))'


def run() -> Iterator[Result]:
    """All figures of the sandbox."""
    for measure in (tax, host_work, fresh_instance, idle_instances):
        yield from on_thread(lambda measure=measure: list(measure()))  # type: ignore[misc]


def on_thread(work: Callable[[], Any]) -> Any:
    """Guests do not run on the main thread."""
    out: list[Any] = []
    thread = threading.Thread(target=lambda: out.append(work()))
    thread.start()
    thread.join()
    return out[0]


def tax() -> Iterator[Result]:
    """MobileNetV2 through a C guest and wasi-nn, against the engine called directly with the same preprocessing."""
    handler = load_module_function(guest("classify"), _classifier()).instance()
    jpeg = (DATA / "images" / "cat_720p.jpg").read_bytes()
    same, default = direct(session_options(Target.of(ModelOptions()))), direct(onnxruntime.SessionOptions())

    def through_guest() -> None:
        for number in range(FRAMES):
            handler.handle(Frame(jpeg, media_type="image/jpeg", sequence=number))

    def directly(classify: Callable[[bytes], str]) -> None:
        for _ in range(FRAMES):
            classify(jpeg)

    through_guest()
    taken = alternate(
        ROUNDS, guest=through_guest, direct=lambda: directly(same), direct_with_defaults=lambda: directly(default)
    )
    ratio = median_ratio(taken, "guest", "direct")
    yield Result(
        "sandbox: throughput of MobileNetV2 in a guest over direct calls",
        ratio,
        "ratio",
        0.97,
        "higher",
        medians(taken, FRAMES),
    )
    handler.close()


def direct(settings: Any) -> Callable[[bytes], str]:
    """The same job in Python: decode and normalise with the same code, then onnxruntime with these settings."""
    labels = LABELS.read_text().splitlines()
    raw = onnxruntime.InferenceSession(str(MODEL), settings, ["CPUExecutionProvider"])
    tensor = np.empty((1, 3, 224, 224), np.float32)
    flat = tensor.reshape(-1).view(np.uint8)
    name = raw.get_inputs()[0].name

    def classify(jpeg: bytes) -> str:
        fill_tensor(open_picture(jpeg, "image/jpeg"), 224, 224, "nchw", F32, MEAN, STD, flat)
        return best_labels(raw.run(None, {name: tensor})[0][0], labels, 5)

    return classify


class Clocked:
    """Adds up the seconds spent in a callable."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work
        self.total = 0.0

    def __call__(self, *args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._work(*args, **options)
        finally:
            self.total += time.perf_counter() - began


class ClockedModel:
    """A model whose inferences are clocked."""

    def __init__(self, model: Any) -> None:
        self.info = model.info
        self.infer = Clocked(model.infer)


def host_work() -> Iterator[Result]:
    """Time of a frame that is neither decoding and normalising nor inference, clocked in the very same frames."""
    plain = load_module_function(guest("classify"), _classifier()).settings
    model = ClockedModel(plain.models["net"])
    opened, fill = Clocked(plain.services.picture_of), Clocked(plain.services.fill_tensor)
    services = replace(plain.services, picture_of=opened, fill_tensor=fill)
    settings = replace(plain, models={"net": model}, services=services)
    handler = Function(guest("classify"), settings).instance()
    jpeg, rest = (DATA / "images" / "cat_720p.jpg").read_bytes(), []
    handler.handle(Frame(jpeg, media_type="image/jpeg"))
    for _ in range(300):
        model.infer.total = opened.total = fill.total = 0.0
        whole = seconds(lambda: handler.handle(Frame(jpeg, media_type="image/jpeg")))
        rest.append(whole - model.infer.total - opened.total - fill.total)
    handler.close()
    micros = statistics.median(rest) * 1e6
    title = "sandbox: host and guest work per frame beside decode and inference"
    yield Result(title, micros, "µs", 300, "lower", {"fastest": round(min(rest) * 1e6, 1)})


def _classifier() -> FunctionOptions:
    return FunctionOptions(models={"net": ModelGrant(MODEL)}, config={"labels": f"@{LABELS}"})


def fresh_instance() -> Iterator[Result]:
    """A new instance, started and thrown away; beside it, a whole frame through a fresh one and through a kept one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nothing.wat"
        path.write_text(_NOTHING)
        function = load_module_function(path, FunctionOptions(policy="fresh"))
        kept = load_module_function(path, FunctionOptions()).instance()
    fresh, frame, count = function.instance(), Frame(b"x"), 2000

    def start() -> None:
        for _ in range(count):
            function.abi.start(function.program, None).close()

    def make() -> None:
        for _ in range(count):
            fresh.handle(frame)

    def call() -> None:
        for _ in range(count):
            kept.handle(frame)

    start()
    make()
    call()
    taken = alternate(ROUNDS, start=start, frame_through_a_fresh_one=make, frame_through_a_kept_one=call)
    each = medians(taken, count, 1e6)
    yield Result("sandbox: a fresh instance", each["start"], "µs", 50, "lower", each)


def idle_instances() -> Iterator[Result]:
    """Memory of a thousand idle instances of the classifier, which has 17 MiB of linear memory each."""
    function = load_module_function(guest("classify"), _classifier())
    before = resident()
    began = time.perf_counter()
    handlers = [function.instance() for _ in range(1000)]
    for handler in handlers:
        handler.start()
    took = time.perf_counter() - began
    grown = resident() - before
    for handler in handlers:
        handler.close()
    yield Result(
        "sandbox: memory of 1,000 idle instances", grown / 2**20, "MiB", 1024, "lower", {"started in s": round(took, 3)}
    )


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
