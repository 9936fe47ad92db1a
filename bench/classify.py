"""A classifier's document against the sandboxed guest and the bare engine, on the same model and picture."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.harness import DATA, Result, alternate, median_ratio, medians
from bench.sandbox import LABELS, MEAN, MODEL, STD, direct, on_thread
from weft.core.frame import Frame
from weft.core.model import ModelOptions
from weft.core.protocols import Handler
from weft.core.resources import guest
from weft.flow.classifier import load_classifier
from weft.flow.functions import FunctionOptions, ModelGrant, load_module_function
from weft.nn.backend import Target
from weft.nn.backends.onnxruntime import session_options

FRAMES = 50
ROUNDS = 15


def run() -> Iterator[Result]:
    """One figure; the guest's is beside it."""
    yield from on_thread(lambda: list(measure()))


def measure() -> Iterator[Result]:
    """Throughput of all three, the rounds interleaved."""
    jpeg = (DATA / "images" / "cat_720p.jpg").read_bytes()
    described, in_guest = _described(), _guest()
    bare = direct(session_options(Target.of(ModelOptions())))

    def by_hand() -> None:
        for _ in range(FRAMES):
            bare(jpeg)

    work = {"document": _work(described, jpeg), "guest": _work(in_guest, jpeg), "direct": by_hand}
    for each in work.values():
        each()
    taken = alternate(ROUNDS, **work)
    in_guest.close()
    title = "classifier: throughput of MobileNetV2 described by a document over direct calls"
    yield Result(title, median_ratio(taken, "document", "direct"), "ratio", 0.97, "higher", medians(taken, FRAMES))


def _work(handler: Handler, jpeg: bytes) -> Callable[[], None]:
    def work() -> None:
        for number in range(FRAMES):
            handler.handle(Frame(jpeg, media_type="image/jpeg", sequence=number))

    return work


def _described() -> Handler:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classify.yaml"
        text = f"model: {MODEL}\ninput: {{mean: {list(MEAN)}, std: {list(STD)}}}\noutput: {{label: {LABELS}}}\n"
        path.write_text(text)
        return load_classifier(path, FunctionOptions()).instance()


def _guest() -> Handler:
    options = FunctionOptions(models={"net": ModelGrant(MODEL)}, config={"labels": f"@{LABELS}"})
    return load_module_function(guest("classify"), options).instance()
