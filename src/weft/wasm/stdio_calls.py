"""What a stdio guest may ask of the host: a record with a header ``{"call": NAME, …}``, answered with one record.

The answer's header is ``{"result": …}``, or ``{"error": reason, "kind": kind}`` for a refusal. Bytes travel as
payloads. Tensors stay with the host, and go by number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.core.address import redacted
from weft.core.dtypes import DType, dtype_named
from weft.core.errors import OutputLimitError
from weft.core.model import Layout, Model, Port
from weft.core.suggest import did_you_mean
from weft.core.tensor import Tensor
from weft.wasm import pictures, stdio_tensors
from weft.wasm.guard import Refusal, refusal_of
from weft.wasm.host.nn_grants import granted_model
from weft.wasm.records import Payload, Record, record
from weft.wasm.stdio_arguments import Arguments
from weft.wasm.stdio_tensors import Tensors
from weft.wasm.told import config_value

if TYPE_CHECKING:
    from weft.wasm.http.requests import Requests
    from weft.wasm.instance import Instance


class Answer(NamedTuple):
    """What a call came to: anything JSON can say, and bytes."""

    result: object = None
    payload: Payload = b""


Call = Callable[["StdioCalls", Arguments, bytes], Answer | None]
_CALLS: dict[str, Call] = {}
_UNTOLD = frozenset({"call", "free", "headers"})
"""What a trace leaves out."""

_IN_A_FRAME = frozenset({"frame.payload", "picture.size", "picture.pixels", "picture.tensor", "emit", "emit.frame"})


def calls() -> Sequence[str]:
    """The names of all calls."""
    return sorted(_CALLS)


def _call(name: str) -> Callable[[Call], Call]:
    """Mark a method as what answers a call of this name."""

    def mark(method: Call) -> Call:
        _CALLS[name] = method
        return method

    return mark


class StdioCalls:
    """The calls of one instance.

    Attributes:
        lazy: the guest asks for payloads that are not at hand, so they need not be sent.
    """

    def __init__(self, instance: Instance, seconds_left: Callable[[], float]) -> None:
        """``seconds_left`` is how long the frame may take from now on."""
        self.lazy = False
        self._instance = instance
        self._left = seconds_left
        self._requests: Requests | None = None
        self._tensors = Tensors(instance.settings.limits)

    def begin(self) -> None:
        """A new frame starts."""
        if self._requests is not None:
            self._requests.begin()

    def close(self) -> None:
        """The instance ends."""
        if self._requests is not None:
            self._requests.close()

    def answer(self, asked: Record, *, in_frame: bool) -> bytes:
        """The record that answers a call. Whatever is wrong with it, the guest is told and nothing is raised."""
        header, payload = asked
        name, started = str(header.get("call")), perf_counter()
        try:
            answer = self._do(name, Arguments(header), payload, in_frame=in_frame) or Answer()
            told, back = {"result": answer.result}, answer.payload
        except Exception as error:  # noqa: BLE001 - an engine or a codec may raise anything; the guest is told
            told, back = self._refused(name, refusal_of(error)), b""
        self._trace(header, told, back, perf_counter() - started)
        return record(told, back)

    # --- the frame and its picture -----------------------------------------------------

    @_call("payload.lazy")
    def _lazy(self, arguments: Arguments, _payload: bytes) -> None:
        self.lazy = arguments.flag("lazy", default=True)

    @_call("frame.payload")
    def _frame_payload(self, _arguments: Arguments, _payload: bytes) -> Answer:
        return Answer(payload=self._instance.frame.payload)

    @_call("picture.size")
    def _picture_size(self, _arguments: Arguments, _payload: bytes) -> Answer:
        picture = pictures.picture_of(self._instance)
        return Answer({"width": picture.width, "height": picture.height})

    @_call("picture.pixels")
    def _picture_pixels(self, arguments: Arguments, _payload: bytes) -> Answer:
        width, height = arguments.number("width"), arguments.number("height")
        number = arguments.one_of("format", pictures.FORMATS, "rgb8")
        out = self._tensors.room(pictures.pixels_size(width, height, number))
        pictures.fill_pixels(self._instance, width, height, number, out)
        return Answer({"width": width, "height": height, "format": pictures.FORMATS[number]}, out.data)

    @_call("picture.tensor")
    def _picture_tensor(self, arguments: Arguments, _payload: bytes) -> Answer:
        width, height = arguments.number("width"), arguments.number("height")
        dtype = dtype_named(arguments.text("dtype", "f32"))
        layout: Layout = "nhwc" if arguments.one_of("layout", ("nchw", "nhwc"), "nchw") else "nchw"
        mean, std = arguments.triple("mean"), arguments.triple("std")
        out = self._tensors.room(pictures.tensor_size(width, height, dtype))
        pictures.fill_tensor(self._instance, width, height, layout, dtype, mean, std, out)
        shape = (1, 3, height, width) if layout == "nchw" else (1, height, width, 3)
        return self._one(Tensor.from_buffer(dtype, shape, out))

    # --- tensors and models ------------------------------------------------------------

    @_call("tensor.new")
    def _tensor_new(self, arguments: Arguments, payload: bytes) -> Answer:
        dtype: DType = dtype_named(arguments.text("dtype"))
        return self._one(stdio_tensors.from_bytes(dtype, arguments.numbers("shape"), payload))

    @_call("tensor.read")
    def _tensor_read(self, arguments: Arguments, _payload: bytes) -> Answer:
        return Answer(payload=stdio_tensors.to_bytes(self._tensors.get(arguments.number("tensor"))).data)

    @_call("tensor.top")
    def _tensor_top(self, arguments: Arguments, _payload: bytes) -> Answer:
        return Answer(stdio_tensors.top(self._tensors.get(arguments.number("tensor")), arguments.number("count")))

    @_call("tensor.free")
    def _tensor_free(self, arguments: Arguments, _payload: bytes) -> None:
        self._tensors.free(arguments.numbers("tensors"))

    @_call("model.ports")
    def _model_ports(self, arguments: Arguments, _payload: bytes) -> Answer:
        info = self._model(arguments).info
        return Answer({"inputs": [*map(_told, info.inputs)], "outputs": [*map(_told, info.outputs)]})

    @_call("model.run")
    def _model_run(self, arguments: Arguments, _payload: bytes) -> Answer:
        model, given = self._model(arguments), arguments.inputs("inputs")
        inputs: Mapping[str, Tensor] | list[Tensor]
        if isinstance(given, Mapping):
            inputs = {name: self._tensors.get(number) for name, number in given.items()}
        else:
            inputs = [self._tensors.get(number) for number in given]
        outputs = stdio_tensors.infer(model, inputs)
        kept = self._tensors.keep(list(outputs.values()))
        return Answer([{"name": name, **told} for name, told in zip(outputs, kept, strict=True)])

    # --- what the function says, is told and keeps -------------------------------------

    @_call("emit")
    def _emit(self, arguments: Arguments, payload: bytes) -> None:
        stream, media_type = arguments.text("stream", ""), arguments.text("media_type", "application/octet-stream")
        self._check_emit(stream, media_type, len(payload))
        frame = self._instance.frame.derive(payload, media_type=media_type, stream=stream)
        self._instance.emitted.add(frame)

    @_call("emit.frame")
    def _emit_frame(self, arguments: Arguments, _payload: bytes) -> None:
        hand_through(self._instance, arguments.text("stream", ""), arguments.text("media_type", ""))

    @_call("config.get")
    def _config_get(self, arguments: Arguments, _payload: bytes) -> Answer:
        return Answer(payload=config_value(self._instance, arguments.text("key")).encode())

    @_call("config.all")
    def _config_all(self, _arguments: Arguments, _payload: bytes) -> Answer:
        return Answer(payload=json.dumps(dict(self._instance.settings.config)).encode())

    @_call("state.get")
    def _state_get(self, arguments: Arguments, _payload: bytes) -> Answer:
        value = self._instance.state.get(arguments.text("key"))
        return Answer(value is not None, value or b"")

    @_call("state.put")
    def _state_put(self, arguments: Arguments, payload: bytes) -> None:
        self._instance.state.put(arguments.text("key"), payload)

    @_call("state.delete")
    def _state_delete(self, arguments: Arguments, _payload: bytes) -> Answer:
        return Answer(self._instance.state.delete(arguments.text("key")))

    @_call("fetch")
    def _fetch(self, arguments: Arguments, payload: bytes) -> Answer:
        from weft.wasm.http.fetch import fetch
        from weft.wasm.http.requests import Requests

        self._requests = self._requests or Requests(self._instance, self._left)
        asked = arguments.text("method", "GET"), arguments.text("url"), arguments.pairs("headers")
        response = fetch(self._requests, *asked, payload, self._left())
        return Answer({"status": response.status, "headers": response.headers}, response.body)

    # --- helpers -----------------------------------------------------------------------

    def _do(self, name: str, arguments: Arguments, payload: bytes, *, in_frame: bool) -> Answer | None:
        self._tensors.free(arguments.numbers("free", ()))
        method = _CALLS.get(name)
        if method is None:
            known = did_you_mean(name, _CALLS) or f"the calls are {', '.join(calls())}"
            raise Refusal("unsupported", f"no call '{name[:100]}'; {known}")
        if name in _IN_A_FRAME and not in_frame:
            raise Refusal("failed", "there is no frame yet: init() comes before the first one")
        return method(self, arguments, payload)

    def _refused(self, name: str, refusal: Refusal) -> dict[str, object]:
        if refusal.reason:
            self._instance.note(f"{name[:100]}: {refusal.reason}", refusal.cure)
        return {"error": refusal.reason or refusal.kind, "kind": refusal.kind}

    def _model(self, arguments: Arguments) -> Model:
        return granted_model(self._instance, arguments.text("model"))

    def _one(self, tensor: Tensor) -> Answer:
        (told,) = self._tensors.keep([tensor])
        return Answer(told)

    def _check_emit(self, stream: str, media_type: str, size: int) -> None:
        """Going over the output limits ends the guest, as everywhere."""
        try:
            self._instance.emitted.check(stream, media_type, size)
        except OutputLimitError as error:
            self._instance.stop(error)
            raise

    def _trace(self, header: Mapping[str, Any], told: Mapping[str, object], back: Payload, seconds: float) -> None:
        trace = self._instance.settings.trace
        if trace is not None:
            words = ", ".join(f"{key}={redacted(str(value))}" for key, value in header.items() if key not in _UNTOLD)
            came = f"= {_shown(told['result'])}" if "result" in told else f"refused: {told['error']}"
            payload = f", {len(back)} bytes" if len(back) else ""
            trace.call(self._instance.settings.name, f"{header['call']}({words})", came + payload, seconds)


def hand_through(instance: Instance, stream: str, media_type: str) -> None:
    """Emit the frame itself: nothing crosses, and what was not encoded yet need not be. Raises as Emitted.check."""
    frame = copy(instance.frame)  # others hold the original
    frame.stream = stream
    frame.media_type = media_type or frame.media_type
    instance.emitted.check(stream, frame.media_type, 0)  # nothing is held for it that was not held before
    instance.emitted.hand_on(frame)


def _shown(result: object) -> object:
    """A call's result in a trace, without headers, which may be secret."""
    return {key: value for key, value in result.items() if key not in _UNTOLD} if isinstance(result, dict) else result


def _told(port: Port) -> dict[str, object]:
    return {"name": port.name, "dtype": port.dtype.name, "shape": port.shape}
