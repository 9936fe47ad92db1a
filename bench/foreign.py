"""Foreign ABIs against Weft's own on the same work: 128 x 128 pixels in, a small quantised MobileNet, its class out."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import simplejpeg

from bench.harness import DATA, Result, alternate, median_ratio, medians
from bench.sandbox import on_thread
from weft.core.frame import Frame
from weft.core.limits import DirGrant, Grants
from weft.core.resources import headers
from weft.flow.functions import FunctionOptions, ModelGrant, load_module_function
from weft.media.images import picture_from_array
from weft.wasm.function import FunctionHandler

MODEL = DATA / "models" / "mobilenet_v1_025_128_quant.tflite"
SOURCE = Path(__file__).with_suffix(".c")
FRAMES = 4
ROUNDS = 251
GOAL = 0.9

KINDS = {
    "reactor": ("REACTOR", "WASI_NN"),
    "WasmEdge 1": ("REACTOR", "LITE_FIRST"),
    "WasmEdge 2": ("REACTOR", "LITE_SECOND"),
    "WAMR": ("REACTOR", "WAMR"),
    "YoMo": ("YOMO", "WASI_NN"),
    "wasm-bindgen": ("WASM_BINDGEN", "WASI_NN"),
    "wasmedge-bindgen": ("WASMEDGE_BINDGEN", "WASI_NN"),
}
"""How each is called, and how it reaches its model."""


def run() -> Iterator[Result]:
    """One figure per foreign ABI."""
    yield from on_thread(lambda: list(measure()))


def measure() -> Iterator[Result]:
    """Throughput of each ABI over the reactor's, the rounds interleaved."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").write_bytes(MODEL.read_bytes())
        handlers = {kind: _handler(kind, folder) for kind in KINDS}
        frame = Frame(_pixels(), stream="tag/0x33")
        answers = {kind: handler.handle(frame)[0].payload for kind, handler in handlers.items()}
        assert len(set(answers.values())) == 1, f"they do not do the same work: {answers}"
        taken = alternate(ROUNDS, **{kind: _work(handler, frame) for kind, handler in handlers.items()})
        for handler in handlers.values():
            handler.close()
    each = medians(taken, FRAMES)
    for kind in list(KINDS)[1:]:
        ratio, detail = median_ratio(taken, kind, "reactor"), {kind: each[kind], "reactor": each["reactor"]}
        yield Result(f"foreign: throughput of {kind} over the reactor", ratio, "ratio", GOAL, "higher", detail)


def _work(handler: FunctionHandler, frame: Frame) -> Callable[[], None]:
    def work() -> None:
        for _ in range(FRAMES):
            handler.handle(frame)

    return work


def _handler(kind: str, folder: Path) -> FunctionHandler:
    module = folder / f"{kind.replace(' ', '-')}.wasm"
    abi, interface = KINDS[kind]
    flags = ["--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-s", f"-I{headers()}", f"-DABI={abi}"]
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        *flags,
        f"-DINTERFACE={interface}",
        str(SOURCE),
        "-o",
        str(module),
    ]
    subprocess.run(command, check=True, timeout=300)
    options = FunctionOptions(
        models={"net": ModelGrant(MODEL)},
        grants=Grants(dirs=(DirGrant(folder, "/", writable=False),), allow=frozenset({"nn.load"})),
    )
    return load_module_function(module, options).instance()


def _pixels() -> bytes:
    picture = simplejpeg.decode_jpeg((DATA / "images" / "cat_720p.jpg").read_bytes(), "RGB")
    return picture_from_array(picture).pixels(128, 128).tobytes()
