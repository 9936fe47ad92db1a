"""What a stdio guest may ask of the host, in records; the guest here is in C and passes on what the tests write."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.nn.tiny import onnx_identity
from tests.wasm.harness import Driven, models
from weft.core.errors import GuestError, GuestTrap, OutputLimitError, TimeLimitError
from weft.core.frame import Frame
from weft.core.limits import MIB, Limits
from weft.core.model import Model
from weft.media.images import open_picture
from weft.wasm.records import record
from weft.wasm.stdio_calls import calls

SMALL = Limits(memory=32 * MIB, time=5, handles=4, output=MIB, emits=5)


@pytest.fixture
def speaker(guest: Callable[[str], Path], drive: Callable[..., Driven]) -> Callable[..., Driven]:
    def make(**options: Any) -> Driven:
        return drive(guest("stdio"), **{"limits": SMALL, "name": "speaker", **options})

    return make


def ask(driven: Driven, header: object, payload: bytes = b"", **frame: Any) -> tuple[dict[str, Any], bytes]:
    """One call: what the host answers."""
    head = json.dumps(header).encode()
    *_, told = driven(b"ask " + struct.pack("<II", len(head), len(payload)) + head + payload, **frame)
    header_text, _, back = told.partition(b"\n")
    return json.loads(header_text), back


def result(driven: Driven, call: str, payload: bytes = b"", **arguments: Any) -> Any:
    told, _ = ask(driven, {"call": call, **arguments}, payload)
    assert "result" in told, told
    return told["result"]


def refusal(driven: Driven, call: str, payload: bytes = b"", **arguments: Any) -> tuple[str, str]:
    told, _ = ask(driven, {"call": call, **arguments}, payload)
    return told["kind"], told["error"]


def negate() -> Model:
    return models().load_bytes([onnx_identity("f32", [2, 3], op="Neg")])


def test_tensors_stay_with_the_host_until_they_are_asked_for(speaker: Callable[..., Driven]) -> None:
    driven = speaker()
    values = np.array([[3, 1, 2], [9, -1, 9]], np.float32)
    told = result(driven, "tensor.new", values.tobytes(), dtype="f32", shape=[2, 3])
    assert (told["dtype"], told["shape"]) == ("f32", [2, 3])
    _, back = ask(driven, {"call": "tensor.read", "tensor": told["tensor"]})
    assert back == values.tobytes()
    assert result(driven, "tensor.top", tensor=told["tensor"], count=3) == [[3, 9.0], [5, 9.0], [0, 3.0]]
    result(driven, "tensor.free", tensors=[told["tensor"], 99])
    assert refusal(driven, "tensor.read", tensor=told["tensor"])[0] == "invalid"


def test_no_number_is_no_largest(speaker: Callable[..., Driven]) -> None:
    driven = speaker()
    values = np.array([np.nan, 1, np.inf, -np.inf], np.float32)
    number = result(driven, "tensor.new", values.tobytes(), dtype="f32", shape=[4])["tensor"]
    assert result(driven, "tensor.top", tensor=number, count=9) == [[2, np.inf], [1, 1.0], [3, -np.inf]]


@pytest.mark.parametrize("inputs", [lambda number: [number], lambda number: {"x": number}])
def test_a_granted_model_runs_on_held_tensors(speaker: Callable[..., Driven], inputs: Callable[[int], object]) -> None:
    driven = speaker(models={"net": negate()})
    ports = result(driven, "model.ports", model="net")
    assert [port["name"] for port in ports["inputs"]] == ["x"]
    shape = ports["inputs"][0]["shape"]
    given_values = np.arange(6, dtype=np.float32)
    number = result(driven, "tensor.new", given_values.tobytes(), dtype="f32", shape=shape)["tensor"]
    (output,) = result(driven, "model.run", model="net", inputs=inputs(number))
    _, back = ask(driven, {"call": "tensor.read", "tensor": output["tensor"], "free": [number]})
    assert np.array_equal(np.frombuffer(back, np.float32), -given_values)
    assert refusal(driven, "tensor.read", tensor=number)[0] == "invalid", "freed along with another call"


def test_what_is_wrong_with_an_inference_is_said(speaker: Callable[..., Driven]) -> None:
    driven = speaker(models={"net": negate()})
    number = result(driven, "tensor.new", b"1234", dtype="u8", shape=[4])["tensor"]
    kind, why = refusal(driven, "model.run", model="nett", inputs=[number])
    assert (kind, why) == ("denied", "no model 'nett' was granted")
    assert "takes f32; the tensor is u8" in refusal(driven, "model.run", model="net", inputs=[number])[1]
    assert "did you mean" in refusal(driven, "model.run", model="net", inputs={"X": number})[1]
    assert refusal(driven, "model.run", model="net", inputs=[number, number])[0] == "invalid"


def test_pictures_cross_as_pixels_or_stay_as_tensors(speaker: Callable[..., Driven], data: Path) -> None:
    driven, jpeg = speaker(), (data / "images" / "cat.jpg").read_bytes()
    picture = open_picture(jpeg, "image/jpeg")

    def of_cat(header: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        head = json.dumps(header).encode()
        frame = Frame(b"ask " + struct.pack("<II", len(head), 0) + head, picture=picture)
        (told,) = driven.frames(frame)
        header_text, _, back = told.payload.partition(b"\n")
        return json.loads(header_text)["result"], back

    assert of_cat({"call": "picture.size"})[0] == {"width": picture.width, "height": picture.height}
    told, pixels = of_cat({"call": "picture.pixels", "width": 32, "height": 16})
    assert told == {"width": 32, "height": 16, "format": "rgb8"}
    assert pixels == picture.pixels(32, 16).tobytes()
    held, _ = of_cat({"call": "picture.tensor", "width": 32, "height": 16, "mean": [0.5] * 3, "std": [0.25] * 3})
    assert held["shape"] == [1, 3, 16, 32]
    _, elements = ask(driven, {"call": "tensor.read", "tensor": held["tensor"]})
    wanted = (picture.pixels(32, 16).astype(np.float32) / 255 - 0.5) / 0.25
    assert np.allclose(np.frombuffer(elements, np.float32).reshape(3, 16, 32), wanted.transpose(2, 0, 1), atol=1e-4)


@pytest.mark.parametrize(
    ("call", "arguments", "kind", "says"),
    [
        ("tensor.neww", {}, "unsupported", "did you mean 'tensor.new'"),
        ("tensor.read", {"tensor": 7}, "invalid", "no tensor 7"),
        ("tensor.read", {"tensor": "7"}, "invalid", "a whole number"),
        ("tensor.read", {"tensor": True}, "invalid", "a whole number"),
        ("tensor.read", {}, "invalid", "lacks 'tensor'"),
        ("tensor.new", {"dtype": "f33", "shape": [1]}, "invalid", "no dtype 'f33'"),
        ("tensor.new", {"dtype": "bytes", "shape": [1]}, "unsupported", "texts"),
        ("tensor.new", {"dtype": "f32", "shape": [2**40, 2**40]}, "invalid", "do not fill"),
        ("tensor.new", {"dtype": "f32", "shape": [0] * 17}, "invalid", "rank 17"),
        ("picture.size", {}, "failed", ""),
        ("picture.pixels", {"width": 0, "height": 9}, "invalid", "sides are 1 to"),
        ("picture.pixels", {"width": 9, "height": 9, "format": "yuv"}, "invalid", "one of rgb8"),
        ("picture.pixels", {"width": 9000, "height": 9000}, "too_large", "limits.memory"),
        ("picture.tensor", {"width": 9, "height": 9, "std": [0, 0, 0]}, "invalid", "standard deviation"),
        ("picture.tensor", {"width": 9, "height": 9, "mean": [1, 2]}, "invalid", "three numbers"),
        ("picture.tensor", {"width": 9, "height": 9, "mean": [10**400, 2, 3]}, "invalid", "three numbers"),
        ("emit", {"stream": 4}, "invalid", "a text"),
        ("state.get", {"key": "a"}, "denied", "no state was granted"),
        ("config.get", {"key": "threshol"}, "not_found", "did you mean 'threshold'"),
        ("config.get", {"key": "zzz"}, "not_found", "not_found"),
    ],
)
def test_a_call_that_cannot_be_is_refused_with_its_reason(
    speaker: Callable[..., Driven], call: str, arguments: dict[str, Any], kind: str, says: str
) -> None:
    driven = speaker(config={"threshold": "1"})
    told_kind, why = refusal(driven, call, **arguments)
    assert told_kind == kind
    assert says in why
    assert driven.handler.replaced == 0


def test_tensors_are_bounded_in_number_and_bytes(speaker: Callable[..., Driven]) -> None:
    driven = speaker(limits=Limits(memory=32 * MIB, handles=6, time=5))
    piece = {"dtype": "u8", "shape": [7 * MIB]}
    first, *_ = [result(driven, "tensor.new", bytes(7 * MIB), **piece)["tensor"] for _ in range(4)]
    assert "limits.memory" in refusal(driven, "tensor.new", bytes(7 * MIB), **piece)[1]
    for _ in range(2):
        result(driven, "tensor.new", b"1", dtype="u8", shape=[1])
    assert "limits.handles" in refusal(driven, "tensor.new", b"1", dtype="u8", shape=[1])[1]
    told, _ = ask(driven, {"call": "tensor.new", "dtype": "u8", "shape": [1], "free": [first]}, b"1")
    assert "result" in told, "what is let go of makes room at once"


def test_the_frame_can_be_emitted_and_handed_through(speaker: Callable[..., Driven]) -> None:
    driven = speaker(outputs=("found", "rest"))
    head = json.dumps({"call": "emit", "stream": "rest", "media_type": "text/plain"}).encode()
    emitted = driven.frames(Frame(b"ask " + struct.pack("<II", len(head), 2) + head + b"hi", sequence=7))
    assert [(f.stream, f.payload, f.media_type, f.sequence) for f in emitted[:1]] == [("rest", b"hi", "text/plain", 7)]
    head = json.dumps({"call": "emit.frame", "stream": "rest"}).encode()
    asked = Frame(b"ask " + struct.pack("<II", len(head), 0) + head, stream="in", media_type="a/b")
    through, _ = driven.frames(asked)
    assert (through.stream, through.payload, through.media_type) == ("rest", asked.payload, "a/b")
    assert asked.stream == "in"
    assert "none of its outputs" in refusal(driven, "emit", stream="wrong")[1]


def test_over_its_output_a_guest_is_ended(speaker: Callable[..., Driven]) -> None:
    driven = speaker(limits=Limits(output=100, time=5))
    with pytest.raises(OutputLimitError):
        ask(driven, {"call": "emit"}, b"x" * 101)
    assert driven(b"after") == [b"after"]


def test_a_lazy_guest_asks_for_large_payloads(speaker: Callable[..., Driven]) -> None:
    driven = speaker()
    result(driven, "payload.lazy", lazy=True)
    (echoed,) = driven(bytes(100_000))
    assert echoed == b"", "it was not sent"
    assert driven(b"small") == [b"small"], "asking would cost more"
    assert result(driven, "payload.lazy", lazy=False) is None
    assert driven(bytes(100_000)) == [bytes(100_000)]
    _, payload = ask(driven, {"call": "frame.payload"})
    assert payload.startswith(b"ask ")


def test_config_is_told_whole_or_by_key(speaker: Callable[..., Driven]) -> None:
    driven = speaker(config={"a": "ä", "b": "2"})
    assert json.loads(ask(driven, {"call": "config.all"})[1]) == {"a": "ä", "b": "2"}
    assert ask(driven, {"call": "config.get", "key": "a"})[1].decode() == "ä"


def test_log_records_have_a_level_and_no_answer(
    speaker: Callable[..., Driven], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    driven = speaker()
    log = record({"log": "fine\x1b[31m", "level": "error"})
    told, _ = _after(driven, log, {"call": "config.all"})
    assert told == {"result": None}
    assert [(r.levelname, r.message) for r in caplog.records if r.name == "weft.guest.speaker"] == [
        ("ERROR", "fine\\x1b[31m")
    ]


def _after(driven: Driven, before: bytes, header: object) -> tuple[dict[str, Any], bytes]:
    (told,) = driven(b"ask " + before + record({**header}))  # type: ignore[dict-item]
    head, _, back = told.partition(b"\n")
    return json.loads(head), back


def test_a_second_call_before_the_first_is_answered_ends_the_guest(speaker: Callable[..., Driven]) -> None:
    driven = speaker()
    with pytest.raises(GuestTrap, match="before its call was answered"):
        _after(driven, record({"call": "config.all"}), {"call": "config.all"})
    assert driven(b"after") == [b"after"]


def test_a_call_that_takes_longer_than_the_frame_has_ends_with_it(
    speaker: Callable[..., Driven], monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = speaker(limits=Limits(time=0.2, start=1))
    assert driven(b"before") == [b"before"]
    head = json.dumps({"call": "config.all"}).encode()
    hangs = b"ask " + struct.pack("<II", len(head), 9) + head  # a payload that never comes
    with pytest.raises(TimeLimitError):
        driven(hangs)
    assert driven(b"after") == [b"after"]


def test_calls_are_traced(speaker: Callable[..., Driven]) -> None:
    from weft.wasm.trace import HostTrace

    lines: list[str] = []
    driven = speaker(trace=HostTrace(lines.append))
    result(driven, "tensor.new", b"12", dtype="u8", shape=[2])
    refusal(driven, "tensor.read", tensor=5)
    assert lines[0].startswith("tensor.new(dtype=u8, shape=[2]) = {'tensor': 1")
    assert "tensor.read(tensor=5) refused: no tensor 5" in lines[1]


WORDS = st.sampled_from(
    [*calls(), "call", "log", "error", "more", "frame", "tensor", "tensors", "free", "shape", "inputs", "x"]
)
ARGUMENTS = [
    *("tensor", "tensors", "free", "shape", "dtype", "width", "height", "layout", "format", "mean", "std"),
    *("count", "model", "inputs", "stream", "media_type", "key", "lazy"),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    call=st.sampled_from(calls()),
    arguments=st.dictionaries(
        st.sampled_from(ARGUMENTS),
        VALUES,
        max_size=6,
    ),
    payload=st.binary(max_size=16),
)
def test_no_arguments_harm_the_host(
    speaker: Callable[..., Driven], call: str, arguments: dict[str, Any], payload: bytes
) -> None:
    """Every call is answered in good order, and the same guest goes on."""
    driven = _kept(speaker)
    told, _ = ask(driven, {**arguments, "call": call}, payload)
    assert "result" in told or {"error", "kind"} == told.keys()
    assert driven.handler.replaced == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=VALUES | st.dictionaries(WORDS, VALUES, max_size=4), payload=st.binary(max_size=16), tail=st.binary())
def test_no_record_harms_the_host(speaker: Callable[..., Driven], header: object, payload: bytes, tail: bytes) -> None:
    """Whatever a guest writes, its frame ends, well or with one of our errors, and the next one is answered."""
    driven = _kept(speaker)
    head = json.dumps(header).encode()
    with suppress(GuestError):
        driven(b"ask " + struct.pack("<II", len(head), len(payload)) + head + payload + tail)
    for _ in range(4):  # the guest may take the next frame for the answer to its call, or be replaced
        with suppress(GuestError):
            if driven(b"after") == [b"after"]:
                return
    pytest.fail("no frame is answered any more")


_driven: dict[int, Driven] = {}


def _kept(speaker: Callable[..., Driven]) -> Driven:
    """One guest for all examples of a test."""
    if id(speaker) not in _driven:
        _driven.clear()
        _driven[id(speaker)] = speaker(limits=Limits(memory=32 * MIB, time=0.3, start=2, handles=4, output=MIB))
    return _driven[id(speaker)]
