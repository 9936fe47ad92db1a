"""The component form: the backend over the WIT bindings, and what the world exports."""

from __future__ import annotations

import contextlib
import gc
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from componentize_py_types import Err
from wit_world.imports import (
    config,
    frame,
    graph,
    http,
    image,
    logging,
    output,
    state,
    tensor,
    tensors,
    types,
)

from weft import _backend, _logs
from weft._answer import answer
from weft._backend import Header, Held, Triple
from weft._program import File, Program
from weft.errors import HostError
from weft.frame import Frame

_BYTES = "latin-1"
"""How bytes cross: as text, each the character of its number. A list of them crosses one by one."""

_KINDS = {
    types.ErrorCode.INVALID_ARGUMENT: "invalid",
    types.ErrorCode.NOT_FOUND: "not_found",
    types.ErrorCode.TOO_LARGE: "too_large",
    types.ErrorCode.DENIED: "denied",
    types.ErrorCode.UNSUPPORTED: "unsupported",
    types.ErrorCode.RUNTIME_ERROR: "failed",
}
_NN_KINDS = {
    "INVALID_ARGUMENT": "invalid",
    "INVALID_ENCODING": "invalid",
    "UNSUPPORTED_OPERATION": "unsupported",
    "TOO_LARGE": "too_large",
    "NOT_FOUND": "not_found",
    "SECURITY": "denied",
}
_DTYPES = {
    "f16": tensor.TensorType.FP16,
    "f32": tensor.TensorType.FP32,
    "f64": tensor.TensorType.FP64,
    "bf16": tensor.TensorType.BF16,
    "u8": tensor.TensorType.U8,
    "i32": tensor.TensorType.I32,
    "i64": tensor.TensorType.I64,
}
_NAMES = {kind: name for name, kind in _DTYPES.items()}
_FORMATS = {kind.name.lower(): kind for kind in types.PixelFormat}
_LAYOUTS = {kind.name.lower(): kind for kind in types.Layout}
_LEVELS = tuple(logging.Level)


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """The host's refusals as HostError."""
    try:
        yield
    except Err as refused:
        raise _host_error(refused.value) from None


def _host_error(value: Any) -> HostError:
    if isinstance(value, types.Error):
        return HostError(_KINDS[value.code], value.message)
    with value:  # an error of wasi-nn is a resource
        return HostError(_NN_KINDS.get(value.code().name, "failed"), value.data())


def _one_of(known: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in known:
        raise HostError("invalid", f"no {what} '{name}': one of {', '.join(known)}")
    return known[name]


class ComponentBackend:
    """A :class:`weft._backend.Backend`: one import of the world ``weft:function`` for each method."""

    def frame_header(self) -> Header:
        """The current frame's header."""
        return Header(frame.stream_name(), frame.media_type(), dict(frame.headers()), frame.sequence(), frame.time())

    def frame_payload(self) -> bytes:
        """The current frame's payload; the API asks once for each frame, and only when the function does."""
        return frame.read_latin1(0, frame.size()).encode(_BYTES)

    def frame_text(self) -> str:
        """The payload as UTF-8, what is malformed replaced by U+FFFD."""
        return frame.text()

    def picture_size(self) -> tuple[int, int]:
        """Width and height."""
        with _asking():
            return image.size()

    def picture_pixels(self, width: int, height: int, pixel_format: str) -> bytes:
        """Rows of pixels: "rgb8", "bgr8", "gray8" or "rgb32f"."""
        with _asking():
            pixels = image.read_latin1(width, height, _one_of(_FORMATS, pixel_format, "pixel format"))
        return pixels.encode(_BYTES)

    def picture_tensor(
        self, width: int, height: int, layout: str, dtype: str, mean: Triple | None, std: Triple | None
    ) -> Held:
        """The picture as a tensor that stays with the host; layout "nchw" or "nhwc"."""
        kind, order = _one_of(_DTYPES, dtype, "dtype"), _one_of(_LAYOUTS, layout, "layout")
        with _asking():
            made = image.to_tensor(width, height, order, kind, mean, std)
        shape = (1, 3, height, width) if layout == "nchw" else (1, height, width, 3)
        return Held(dtype, shape, made)

    def tensor_new(self, dtype: str, shape: Sequence[int], data: bytes | memoryview) -> Held:
        """A tensor of these bytes (C order, little endian)."""
        kind = _one_of(_DTYPES, dtype, "dtype")
        with _asking():
            made = tensors.make(list(shape), kind, str(data, _BYTES))
        return Held(dtype, tuple(shape), made)

    def tensor_bytes(self, tensor: Held) -> bytes:
        """Its elements (C order, little endian)."""
        return tensors.data(tensor.key).encode(_BYTES)

    def tensor_top(self, tensor: Held, count: int) -> list[tuple[int, float]]:
        """Index (in C order) and value of the largest elements, largest first; ties by index; no NaN."""
        with _asking():
            return tensors.top(tensor.key, count)

    def tensor_free(self, tensor: Held) -> None:
        """The function has dropped it. Must not raise, as it is called by the collector."""
        with contextlib.suppress(Exception):  # called by the collector
            tensor.key.__exit__(None, None, None)

    def model_load(self, name: str) -> Any:
        """A granted model; what the form knows it by."""
        with _asking(), graph.load_by_name(name) as loaded:
            return loaded.init_execution_context()

    def model_run(self, model: Any, inputs: Sequence[tuple[str, Held]]) -> list[tuple[str, Held]]:
        """One inference. An input named "" is the one by its place; outputs by name, in the model's order."""
        with _asking():
            # An inference takes its tensors away; the function may still want them.
            found = model.compute(
                [(name or str(place), tensors.share(held.key)) for place, (name, held) in enumerate(inputs)]
            )
        return [(name, Held(_NAMES[made.ty()], tuple(made.dimensions()), made)) for name, made in found]

    def emit(self, stream: str, media_type: str, payload: bytes | memoryview) -> None:
        """Emit bytes; "" is the default output."""
        with _asking():
            output.emit_latin1(stream, media_type, str(payload, _BYTES))

    def emit_text(self, stream: str, media_type: str, text: str) -> None:
        """Emit a text."""
        with _asking():
            output.emit_text(stream, media_type, text)

    def emit_frame(self, stream: str, media_type: str) -> None:
        """Emit the current frame's own payload."""
        with _asking():
            output.emit_frame(stream, media_type)

    def log(self, level: int, text: str) -> None:
        """A log line: 0 trace, 1 debug, 2 info, 3 warning, 4 error. Never raises."""
        logging.log(_LEVELS[level], "", text)

    def config(self) -> Mapping[str, str]:
        """All config values; asked for once."""
        return dict(config.all())

    def state_get(self, key: str) -> bytes | None:
        """A kept value, None where there is none."""
        with _asking():
            return state.get(key)

    def state_put(self, key: str, value: bytes) -> None:
        """Keep a value."""
        with _asking():
            state.put(key, value)

    def state_delete(self, key: str) -> None:
        """Forget a value; nothing happens where there is none."""
        with _asking():
            state.delete(key)

    def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """A request, where its host is granted: status, headers and body of the response."""
        with _asking():
            found = http.fetch_latin1(method, url, list(headers.items()), str(body, _BYTES))
        return found.status, dict(found.headers), found.body.encode(_BYTES)


def prepare() -> None:
    """The last thing before the interpreter's memory is kept for all instances."""
    _warm_up()
    _backend.use(ComponentBackend())
    _logs.install_logging()
    sys.stdout, sys.stderr = _logs.LineStream(_logs.INFO), _logs.LineStream(_logs.WARNING)
    gc.collect()
    gc.freeze()  # a collection must not walk all of the standard library


def _warm_up() -> None:
    """Go the way of a function once: what is imported, cached and specialised on it is then in the snapshot."""
    text = "import json\ndef handle(frame):\n    return json.loads(json.dumps({}))[0]\n"
    for _ in range(20):
        program = Program.loaded(Program([(_WARM, text)]).saved(), {_WARM: text}.__getitem__)
        program.start()
        try:
            program.handle(None)
        except KeyError as error:
            program.told(error)
        program.forget()


_WARM = "warm-up.py"


def interpreter() -> type:
    """What the world exports, for a function that the host has the files of."""
    from wit_world.imports import program as host

    def make() -> Program:
        code = host.compiled()
        if code is not None:
            return Program.loaded(code.encode(_BYTES), lambda name: dict(host.files())[name])
        made = Program(host.files())
        with contextlib.suppress(SyntaxError):  # told when it starts
            host.keep_compiled(str(made.saved(), _BYTES))
        return made

    return _world(make)


def function(files: Sequence[File]) -> type:
    """What the world exports, for the function in ``files``, compiled now. Raises SyntaxError."""
    made = Program(files)
    made.saved()
    return _world(lambda: made)


def _world(make: Callable[[], Program]) -> type:
    class WitWorld:
        program: Program

        def init(self) -> None:
            random.seed()  # the snapshot's seed is everybody's
            WitWorld.program = make()
            _carefully(WitWorld.program, WitWorld.program.start)

        def handle(self) -> None:
            _carefully(WitWorld.program, lambda: answer(WitWorld.program.handle(Frame())))

    return WitWorld


def _carefully(program: Program, work: Callable[[], object]) -> None:
    """Have it done; whatever it raises becomes the world's error, and is then let go with all it holds."""
    told = None
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - a function may raise anything, SystemExit too
        told = _told(program, error)
    _logs.flush()
    if told is not None:
        raise Err(told)


def _told(program: Program, error: BaseException) -> str:
    try:
        return program.told(error)
    except BaseException:  # noqa: BLE001 - out of memory, say: there are few words for it
        return type(error).__name__
