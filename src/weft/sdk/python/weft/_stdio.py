"""The stdio form: the backend over records on standard input and output, and the loop that answers frames."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, NoReturn

from weft import _backend, _logs
from weft._backend import Header, Held, Triple
from weft._program import Program
from weft.errors import HostError

_SIZES = Struct("<II")
_LEVELS = ("trace", "debug", "info", "warning", "error")
_NOTHING: dict[str, Any] = {}
Data = bytes | bytearray | memoryview


class Pipes:
    """Records in, records out."""

    def __init__(self) -> None:
        self._read = io.BufferedReader(io.FileIO(0, "rb", closefd=False), 64 * 1024)
        self._write = io.FileIO(1, "wb", closefd=False)

    def receive(self) -> tuple[dict[str, Any], bytes] | None:
        """The next record, or None at the end of input."""
        sizes = self._read.read(_SIZES.size)
        if len(sizes) < _SIZES.size:
            return None
        head, size = _SIZES.unpack(sizes)
        header = json.loads(self._read.read(head)) if head else {}
        return header, self._read.read(size) if size else b""

    def send(self, header: Mapping[str, Any], payload: Data = b"") -> None:
        """Write a record."""
        head = json.dumps(header).encode() if header else b""
        view = memoryview(b"".join((_SIZES.pack(len(head), len(payload)), head, payload)))
        while view:
            view = view[self._write.write(view) or 0 :]


class StdioBackend:
    """A :class:`weft._backend.Backend`: a record for each call of the host, and the one that answers it."""

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes
        self._header: dict[str, Any] = _NOTHING
        self._payload = b""
        self._config: Mapping[str, str] = {}
        self._dropped: list[int] = []
        self._asking = False

    def begin(self, header: dict[str, Any], payload: bytes) -> None:
        """A frame came."""
        self._header, self._payload = header, payload

    def told(self, config: Mapping[str, str]) -> None:
        """The config came."""
        self._config = config

    # --- the frame ---------------------------------------------------------------------

    def frame_header(self) -> Header:
        """It came with the frame."""
        said = self._header
        return Header(said["stream"], said["media_type"], said["headers"], said["sequence"], said["time_ns"])

    def frame_payload(self) -> bytes:
        """It came with the frame, unless it is large or costs something."""
        return self._ask("frame.payload")[1] if self._header.get("lazy") else self._payload

    def frame_text(self) -> str:
        """The payload as text."""
        return self.frame_payload().decode(errors="replace")

    def picture_size(self) -> tuple[int, int]:
        """Asks the host."""
        size = self._ask("picture.size")[0]
        return size["width"], size["height"]

    def picture_pixels(self, width: int, height: int, pixel_format: str) -> bytes:
        """Asks the host."""
        return self._ask("picture.pixels", width=width, height=height, format=pixel_format)[1]

    def picture_tensor(
        self, width: int, height: int, layout: str, dtype: str, mean: Triple | None, std: Triple | None
    ) -> Held:
        """Asks the host."""
        asked = {"width": width, "height": height, "layout": layout, "dtype": dtype, "mean": mean, "std": std}
        return _held(self._ask("picture.tensor", **asked)[0])

    # --- tensors and models ------------------------------------------------------------

    def tensor_new(self, dtype: str, shape: Sequence[int], data: bytes | memoryview) -> Held:
        """Sends the bytes to the host."""
        return _held(self._ask("tensor.new", data, dtype=dtype, shape=[int(side) for side in shape])[0])

    def tensor_bytes(self, tensor: Held) -> bytes:
        """Asks the host."""
        return self._ask("tensor.read", tensor=tensor.key)[1]

    def tensor_top(self, tensor: Held, count: int) -> list[tuple[int, float]]:
        """Asks the host."""
        return [(place, value) for place, value in self._ask("tensor.top", tensor=tensor.key, count=count)[0]]

    def tensor_free(self, tensor: Held) -> None:
        """The host is told with the next call."""
        self._dropped.append(tensor.key)

    def model_load(self, name: str) -> str:
        """Asks the host whether it is granted."""
        self._ask("model.ports", model=name)
        return name

    def model_run(self, model: Any, inputs: Sequence[tuple[str, Held]]) -> list[tuple[str, Held]]:
        """Has the host run it."""
        named = any(name for name, _ in inputs)
        given = {name: held.key for name, held in inputs} if named else [held.key for _, held in inputs]
        return [(told["name"], _held(told)) for told in self._ask("model.run", model=model, inputs=given)[0]]

    # --- what the function says and keeps ----------------------------------------------

    def emit(self, stream: str, media_type: str, payload: bytes | memoryview) -> None:
        """Sends it to the host."""
        self._ask("emit", payload, stream=stream, media_type=media_type)

    def emit_text(self, stream: str, media_type: str, text: str) -> None:
        """Sends it to the host."""
        self.emit(stream, media_type, text.encode())

    def emit_frame(self, stream: str, media_type: str) -> None:
        """Nothing crosses."""
        self._ask("emit.frame", stream=stream, media_type=media_type)

    def log(self, level: int, text: str) -> None:
        """A record that is not answered."""
        if not self._asking:  # else a collector's finaliser prints in the middle of a call
            self._pipes.send({"log": text, "level": _LEVELS[level]})

    def config(self) -> Mapping[str, str]:
        """It came with the start."""
        return self._config

    def state_get(self, key: str) -> bytes | None:
        """Asks the host."""
        there, value = self._ask("state.get", key=key)
        return value if there else None

    def state_put(self, key: str, value: bytes) -> None:
        """Sends it to the host."""
        self._ask("state.put", value, key=key)

    def state_delete(self, key: str) -> None:
        """Asks the host."""
        self._ask("state.delete", key=key)

    def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Has the host make it."""
        told, found = self._ask("fetch", body, method=method, url=url, headers=list(headers.items()))
        return told["status"], dict(told["headers"]), found

    def ask_for_payloads(self) -> None:
        """Payloads that are large or costly need not be sent."""
        self._ask("payload.lazy", lazy=True)

    def _ask(self, name: str, payload: Data = b"", /, **arguments: Any) -> tuple[Any, bytes]:
        """A call of the host: its result and bytes. Raises HostError."""
        call = {"call": name, **arguments}
        if self._dropped:
            call["free"], self._dropped = self._dropped, []
        self._asking = True
        try:
            self._pipes.send(call, payload)
            answer = self._pipes.receive()
        finally:
            self._asking = False
        if answer is None:
            raise SystemExit  # the host is gone
        header, data = answer
        if "error" in header:
            raise HostError(header["kind"], header["error"])
        return header["result"], data


def _held(told: Mapping[str, Any]) -> Held:
    return Held(told["dtype"], tuple(told["shape"]), told["tensor"])


class _Loop:
    """The host's records, answered one after the other."""

    def __init__(self) -> None:
        self._pipes = Pipes()
        self._backend = StdioBackend(self._pipes)
        self._program: Program | None = None
        _backend.use(self._backend)
        sys.stdout, sys.stderr = _logs.LineStream(_logs.INFO), _logs.LineStream(_logs.WARNING)
        sys.stdin = io.StringIO()

    def run(self) -> None:
        """Until the end of input."""
        while (record := self._pipes.receive()) is not None:
            try:
                self._answer(*record)
                _logs.flush()
            except BaseException as error:  # noqa: BLE001 - a function may raise anything, and the next frame comes
                self._pipes.send(*self._failure(error))
            else:
                self._pipes.send(_NOTHING)

    def _answer(self, header: dict[str, Any], payload: bytes) -> None:
        import weft

        if self._program is None:
            self._start(json.loads(payload))
        else:
            self._backend.begin(header, payload)
            weft.answer(self._program.handle(weft.Frame()))

    def _start(self, said: Mapping[str, Any]) -> None:
        self._backend.told(said["config"])
        self._backend.ask_for_payloads()
        self._program = Program([(name, text) for name, text in said["files"]])
        if any("logging" in text for _, text in said["files"]):
            _logs.install_logging()
        self._program.start()
        if "logging" in sys.modules:
            _logs.install_logging()

    def _failure(self, error: BaseException) -> tuple[dict[str, Any]]:
        try:
            _logs.flush()
            assert self._program is not None
            return ({"error": self._program.told(error), "traceback": True},)
        except BaseException:  # noqa: BLE001 - out of memory, say: then there are few words for it
            return ({"error": type(error).__name__},)


def main() -> NoReturn:
    """What the host has CPython run."""
    _Loop().run()
    raise SystemExit
