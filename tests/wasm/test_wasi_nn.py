"""wasi-nn with everything real guests do, called through wasm, on real engines."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.nn import tiny
from tests.wasm.harness import Probe, models
from weft.core.dtypes import dtype_named
from weft.core.limits import MIB, Grants, Limits
from weft.core.model import Model, ModelOptions

OK, INVALID, ENCODING, RUNTIME, UNSUPPORTED, TOO_LARGE, NOT_FOUND = 0, 1, 2, 5, 6, 7, 8
ONNX, TFLITE, AUTODETECT, CPU, GPU = 1, 4, 5, 0, 1
OLD = {"f16": 0, "f32": 1, "u8": 2, "i32": 3}
NEW = {"f16": 0, "f32": 1, "f64": 2, "u8": 3, "i32": 4, "i64": 5}
OUT = 64
OWN = Grants(allow=frozenset({"nn.load"}))


class Nn:
    """The calls of a guest, with its pointers taken care of."""

    def __init__(self, probe: Probe) -> None:
        self.host = probe

    def load(self, *parts: bytes, encoding: int = ONNX, target: int = CPU) -> tuple[int, int]:
        places = [(self.host.put(part), len(part)) for part in parts]
        builders = self.host.put(b"".join(struct.pack("<2I", *place) for place in places) or bytes(8))
        return self.host.load(builders, len(parts), encoding, target, OUT), self.host.u32(OUT)

    def by_name(self, name: str) -> tuple[int, int]:
        return self.host.load_by_name(*self.host.text(name), OUT), self.host.u32(OUT)

    def context(self, graph: int) -> tuple[int, int]:
        return self.host.init_execution_context(graph, OUT), self.host.u32(OUT)

    def open(self, name: str = "net") -> int:
        assert self.by_name(name)[0] == OK
        code, context = self.context(self.host.u32(OUT))
        assert code == OK
        return context

    def tensor(self, dims: list[int], kind: int, data: bytes) -> int:
        at = self.host.put(struct.pack(f"<{len(dims)}I", *dims))
        return self.host.put(struct.pack("<5I", at, len(dims), kind, self.host.put(data), len(data)))

    def output(self, context: int, index: int = 0, room: int = 4096) -> tuple[int, bytes]:
        at = self.host.put(bytes(room))
        code = self.host.get_output(context, index, at, room, OUT)
        return code, self.host.read(at, self.host.u32(OUT)) if code == OK else b""

    def infer(self, context: int, array: np.ndarray, kind: int, dims: list[int] | None = None) -> bytes:
        """Input 0 to output 0."""
        assert self.host.set_input(context, 0, self.tensor(dims or list(array.shape), kind, array.tobytes())) == OK
        assert self.host.compute(context) == OK
        code, data = self.output(context, room=1 << 16)
        assert code == OK
        return data


Open = Callable[..., Nn]


@pytest.fixture
def nn(probe: Callable[..., Probe]) -> Open:
    """``nn(net=model_bytes)`` is a guest to whom these models are granted."""

    def make(granted: Mapping[str, Model] | None = None, **options: Any) -> Nn:
        return Nn(probe("wasi_ephemeral_nn", models=granted or {}, **options))

    return make


def onnx(dtype: str, dims: list[Any], **options: Any) -> Model:
    return models().load_bytes([tiny.onnx_identity(dtype, dims)], ModelOptions(threads=1, **options))


def identity() -> dict[str, Model]:
    return {"net": onnx("f32", [2, 3])}


# --- graphs --------------------------------------------------------------------------------


def test_handles_start_at_0_and_are_never_used_twice(nn: Open) -> None:
    guest = nn(identity())
    assert guest.by_name("net") == (OK, 0)
    assert guest.by_name("net") == (OK, 1)
    assert guest.context(0) == (OK, 0)
    assert guest.context(1) == (OK, 1)
    assert guest.host.unload(1) == OK
    assert guest.host.finalize_execution_context(1) == OK
    assert guest.by_name("net") == (OK, 2)
    assert guest.context(2) == (OK, 2)


def test_a_model_that_was_not_granted_is_refused_with_the_cure(nn: Open, caplog: pytest.LogCaptureFixture) -> None:
    guest = nn({"classifier": onnx("f32", [1])})
    assert guest.by_name("clasifier")[0] == NOT_FOUND
    assert guest.host.instance.cure == "did you mean 'classifier'?"
    guest.host.frame()
    assert guest.by_name("../../etc/passwd")[0] == NOT_FOUND
    assert "--model ../../etc/passwd=FILE" in guest.host.instance.cure
    assert any("did you mean 'classifier'" in message for message in caplog.messages)


def test_a_guest_brings_its_own_model_only_where_granted(nn: Open) -> None:
    model = tiny.onnx_identity("f32", [2, 3])
    guest = nn()
    assert guest.load(model)[0] == NOT_FOUND
    assert "--allow nn.load" in guest.host.instance.cure
    guest = nn(grants=OWN)
    assert guest.load(model) == (OK, 0)
    _, context = guest.context(0)
    data = np.arange(6, dtype="f4").reshape(2, 3)
    assert guest.infer(context, data, NEW["f32"]) == data.tobytes()


@pytest.mark.parametrize("encoding", [0, 1, 2, 3, 4, 5, 99])
def test_the_bytes_say_what_the_model_is_whatever_the_encoding_says(nn: Open, encoding: int) -> None:
    guest = nn(grants=OWN)
    assert guest.load(tiny.onnx_identity("f32", [1]), encoding=encoding)[0] == OK
    assert guest.load(tiny.tflite_identity("f32", [1]), encoding=encoding)[0] == OK


@pytest.mark.parametrize("target", [-1, 4, 99])
def test_targets_that_are_none(nn: Open, target: int) -> None:
    assert nn(grants=OWN).load(tiny.onnx_identity("f32", [1]), target=target)[0] == INVALID


def test_a_device_this_machine_lacks_is_unsupported_and_never_replaced(nn: Open) -> None:
    guest = nn(grants=OWN)
    code, _ = guest.load(tiny.onnx_identity("f32", [1]), target=GPU)
    assert code == UNSUPPORTED
    assert any("cuda" in note for note in guest.host.instance.notes)


@pytest.mark.parametrize("model", [b"", b"\0" * 64, b"garbage, no model at all", b"\xff\xd8\xff\xe0"])
def test_bytes_that_are_no_model_are_an_encoding_error(nn: Open, model: bytes) -> None:
    guest = nn(grants=OWN)
    assert guest.load(model)[0] == ENCODING
    assert guest.host.instance.notes


def test_a_truncated_model_is_an_encoding_error(nn: Open, data: Path) -> None:
    whole = (data / "models" / "mnist.onnx").read_bytes()
    guest = nn(grants=OWN)
    for size in (10, len(whole) // 2, len(whole) - 1):
        assert guest.load(whole[:size])[0] == ENCODING
    assert guest.load(whole) == (OK, 0)


def test_models_in_too_many_parts_or_from_outside_memory(nn: Open) -> None:
    guest = nn(grants=OWN)
    for count in (0, 9, -1, 2**31 - 1):
        assert guest.host.load(1024, count, ONNX, CPU, OUT) == INVALID
    assert guest.host.load(0xFFFFFFF0, 1, ONNX, CPU, OUT) == INVALID
    assert guest.host.load(guest.host.put(struct.pack("<2I", 16, 0xFFFFFFFF)), 1, ONNX, CPU, OUT) in {
        INVALID,
        TOO_LARGE,
    }


def test_a_bad_pointer_for_the_handle_opens_nothing(nn: Open) -> None:
    guest = nn(identity())
    assert guest.host.load_by_name(*guest.host.text("net"), 0xFFFFFFFF) == INVALID
    assert guest.by_name("net") == (OK, 0)
    assert guest.host.init_execution_context(0, 0xFFFFFFFD) == INVALID
    assert guest.context(0) == (OK, 0)


def test_two_thousand_graphs_end_at_the_limit(nn: Open) -> None:
    guest = nn(identity(), limits=Limits(handles=10))
    codes = [guest.by_name("net")[0] for _ in range(2000)]
    assert codes == [OK] * 10 + [TOO_LARGE] * 1990
    assert guest.context(0)[0] == TOO_LARGE
    assert "limits.handles" in guest.host.instance.notes[0]
    assert guest.host.unload(3) == OK
    assert guest.context(0) == (OK, 0)


def test_models_of_its_own_count_together_as_long_as_a_context_has_one(nn: Open) -> None:
    guest, notes = nn(identity(), grants=OWN, limits=Limits(memory=4 * MIB)), 1_500_000
    padded = tiny.onnx_identity("f32", [1, 4]) + b"\x32" + _varint(notes) + b" " * notes  # ModelProto.doc_string
    at = guest.host.put(struct.pack("<2I", guest.host.put(padded), len(padded)))
    load = lambda: guest.host.load(at, 1, ONNX, CPU, OUT)  # noqa: E731
    assert [load() for _ in range(3)] == [OK, OK, TOO_LARGE]
    assert "limits.memory" in guest.host.instance.notes[-1]
    assert guest.context(1) == (OK, 0)
    assert guest.host.unload(1) == OK
    assert load() == TOO_LARGE
    assert guest.host.finalize_execution_context(0) == OK
    assert load() == OK


def _varint(number: int) -> bytes:
    return bytes((number >> shift) & 0x7F | 0x80 for shift in (0, 7, 14)) + bytes([number >> 21])


@pytest.mark.parametrize(
    ("config", "code"), [("", OK), ("{}", OK), ('{"a": 1}', OK), ("{", INVALID), ("[" * 60_000, INVALID)]
)
def test_a_config_must_be_json(nn: Open, config: str, code: int) -> None:
    host = nn(identity()).host
    assert host.load_by_name_with_config(*host.text("net"), *host.text(config), OUT) == code


# --- inference -----------------------------------------------------------------------------


@pytest.mark.parametrize("dirt", [0, 0x00104200, 0xFFFFFF00])
@pytest.mark.parametrize(("dtype", "kind"), [(name, number) for table in (OLD, NEW) for name, number in table.items()])
def test_both_numberings_of_types_are_understood(nn: Open, dtype: str, kind: int, dirt: int) -> None:
    guest = nn({"net": onnx(dtype, [2, 3])})
    values = np.arange(6).reshape(2, 3).astype(dtype_named(dtype).numpy)
    assert guest.infer(guest.open(), values, dirt | kind) == values.tobytes()


@pytest.mark.parametrize("dtype", ["i8", "bool", "u16", "bf16", "u64"])
def test_types_that_no_numbering_has_go_by_their_size(nn: Open, dtype: str) -> None:
    guest = nn({"net": onnx(dtype, [4])})
    values = np.array([0, 1, 1, 0]).astype(dtype_named(dtype).numpy)
    assert guest.infer(guest.open(), values, 77) == values.tobytes()


@pytest.mark.parametrize(
    ("dtype", "kind", "size"),
    [("f32", 3, 6), ("f32", 3, 24), ("u8", 1, 24), ("i64", 1, 24), ("f32", 1, 23), ("f32", 1, 0)],
)
def test_data_of_another_type_or_size_is_invalid(nn: Open, dtype: str, kind: int, size: int) -> None:
    guest = nn({"net": onnx(dtype, [2, 3])})
    context = guest.open()
    assert guest.host.set_input(context, 0, guest.tensor([2, 3], kind, bytes(size))) == INVALID
    assert guest.host.instance.notes


@pytest.mark.parametrize("dims", [[3, 2], [6], [], [1, 2, 3, 1], [224, 224, 3], [0xFFFFFFFF] * 3])
def test_dimensions_may_lie_where_the_model_knows_its_own(nn: Open, dims: list[int]) -> None:
    guest = nn(identity())
    values = np.arange(6, dtype="f4")
    assert guest.infer(guest.open(), values, NEW["f32"], dims or [6]) == values.tobytes()


def test_an_open_batch_is_seen_from_the_data(nn: Open) -> None:
    guest = nn({"net": onnx("f32", ["batch", 3])})
    context = guest.open()
    for rows in (1, 4, 2):
        values = np.arange(rows * 3, dtype="f4").reshape(rows, 3)
        assert guest.infer(context, values, NEW["f32"], [rows, 3]) == values.tobytes()
        assert guest.infer(context, values, NEW["f32"], [99]) == values.tobytes()
    assert guest.host.set_input(context, 0, guest.tensor([4], 1, bytes(16))) == INVALID


def test_a_tensor_of_absurd_rank_is_invalid(nn: Open) -> None:
    guest = nn(identity())
    at = guest.host.put(struct.pack("<5I", 0, 2**30, 1, 0, 24))
    assert guest.host.set_input(guest.open(), 0, at) == INVALID


@pytest.mark.parametrize(("layout", "shape"), [("nhwc", [1, 3, 4, 5]), ("nchw", [1, 4, 5, 3])])
def test_the_manifest_says_how_picture_data_really_lies(nn: Open, layout: str, shape: list[int]) -> None:
    guest = nn({"net": onnx("f32", shape, layout=layout)})
    wanted = np.arange(60, dtype="f4").reshape(shape)
    given = wanted.transpose(0, 2, 3, 1) if layout == "nhwc" else wanted.transpose(0, 3, 1, 2)
    for _ in range(2):
        got = guest.infer(guest.open(), np.ascontiguousarray(given), NEW["f32"], [1, 3, 224, 224])
        assert got == wanted.tobytes()


def test_too_small_a_buffer_gets_the_size_and_7(nn: Open) -> None:
    guest = nn(identity())
    context = guest.open()
    guest.infer(context, np.zeros((2, 3), "f4"), 1)
    at = guest.host.put(b"\xee" * 32)
    for room in (0, 1, 23):
        assert guest.host.get_output(context, 0, at, room, OUT) == TOO_LARGE
        assert guest.host.u32(OUT) == 24
        assert guest.host.read(at, 32) == b"\xee" * 32
    assert guest.host.get_output(context, 0, at, 24, OUT) == OK
    assert guest.host.read(at, 32) == bytes(24) + b"\xee" * 8


def test_ports_by_name_and_by_number(nn: Open) -> None:
    guest = nn({"net": models().load_bytes([tiny.onnx_sum()])})
    context, host = guest.open(), guest.host
    a, b = (guest.tensor([2], 1, struct.pack("<2f", *pair)) for pair in ((1, 2), (10, 20)))
    assert host.set_input_by_string(context, *host.text("b"), b) == OK
    assert host.set_input(context, 0, a) == OK
    assert host.compute(context) == OK
    assert guest.output(context, 0) == (OK, struct.pack("<2f", 11, 22))
    at = host.put(bytes(8))
    assert host.get_output_by_string(context, *host.text("sq"), at, 8, OUT) == OK
    assert host.read(at, 8) == struct.pack("<2f", 1, 4)
    assert host.get_output_by_string(context, *host.text("dif"), at, 8, OUT) == NOT_FOUND
    assert host.set_input_by_string(context, *host.text("c"), b) == NOT_FOUND
    assert "did you mean 'diff'?" in host.instance.notes[0]
    for index in (2, -1, 2**31 - 1):
        assert host.set_input(context, index, a) == INVALID
        assert guest.output(context, index + 1 if index > 0 else index)[0] == INVALID


def test_what_is_out_of_order_is_refused(nn: Open) -> None:
    guest = nn(identity())
    host = guest.host
    assert guest.context(0)[0] == INVALID
    assert host.compute(0) == INVALID
    context = guest.open()
    assert guest.output(context)[0] == RUNTIME
    assert host.compute(context) == INVALID
    guest.infer(context, np.zeros((2, 3), "f4"), 1)
    assert host.fini_single(context) == OK
    assert guest.output(context)[0] == RUNTIME
    assert host.finalize_execution_context(context) == OK
    for code in (host.finalize_execution_context(context), host.compute(context), host.unload(77)):
        assert code == INVALID


def test_a_failed_compute_leaves_no_old_output(nn: Open) -> None:
    guest = nn({"net": models().load_bytes([tiny.onnx_sum()])})
    context, host = guest.open(), guest.host
    for index in (0, 1):
        host.set_input(context, index, guest.tensor([2], 1, bytes(8)))
    assert host.compute(context) == OK
    host.set_input(context, 0, guest.tensor([3], 1, bytes(12)))
    assert host.compute(context) != OK
    assert guest.output(context)[0] == RUNTIME


def test_the_single_forms_are_one_inference(nn: Open) -> None:
    guest = nn(identity())
    context, host = guest.open(), guest.host
    host.set_input(context, 0, guest.tensor([2, 3], 1, bytes(24)))
    assert host.compute_single(context) == OK
    at = host.put(bytes(24))
    assert host.get_output_single(context, 0, at, 24, OUT) == OK
    assert host.u32(OUT) == 24


def test_contexts_outlive_their_graph_and_do_not_share_inputs(nn: Open) -> None:
    guest = nn(identity())
    assert guest.by_name("net") == (OK, 0)
    contexts = [guest.context(0)[1], guest.context(0)[1]]
    assert guest.host.unload(0) == OK
    for number, context in enumerate(contexts):
        guest.host.set_input(context, 0, guest.tensor([2, 3], 1, struct.pack("<6f", *[number] * 6)))
    for number, context in enumerate(contexts):
        assert guest.host.compute(context) == OK
        assert guest.output(context) == (OK, struct.pack("<6f", *[number] * 6))


def test_an_input_is_a_copy_of_guest_memory(nn: Open) -> None:
    """Also the second time, when the memory of the first is taken again."""
    guest = nn(identity())
    context, host = guest.open(), guest.host
    at, dims = host.put(bytes(24)), host.put(struct.pack("<2I", 2, 3))
    tensor = host.put(struct.pack("<5I", dims, 2, 1, at, 24))
    for first in (1.0, 7.0):
        given = struct.pack("<6f", first, *range(5))
        host.instance.memory.write(at, given)
        assert host.set_input(context, 0, tensor) == OK
        host.instance.memory.write(at, b"\xff" * 24)
        assert host.compute(context) == OK
        assert guest.output(context) == (OK, given)


def test_what_the_host_holds_for_a_guest_is_bounded(nn: Open) -> None:
    """Sixty contexts that each hold an input as large as the guest's memory."""
    guest = nn({"net": onnx("u8", ["n"])}, limits=Limits(memory=8 * 2**20))
    size = 3 * 2**20
    at = guest.host.put(struct.pack("<5I", guest.host.put(struct.pack("<I", size)), 1, 3, 0, size))
    guest.by_name("net")
    codes = [guest.host.set_input(guest.context(0)[1], 0, at) for _ in range(5)]
    assert codes == [OK, OK, TOO_LARGE, TOO_LARGE, TOO_LARGE]
    assert guest.host.finalize_execution_context(0) == OK
    assert guest.host.set_input(4, 0, at) == OK
    own = nn(grants=OWN, limits=Limits(memory=8 * 2**20))
    parts = own.host.put(struct.pack("<2I", 0, size) * 4)
    assert own.host.load(parts, 4, ONNX, CPU, OUT) == TOO_LARGE


def test_texts_cannot_be_passed(nn: Open) -> None:
    guest = nn({"net": onnx("bytes", [1])})
    assert guest.host.set_input(guest.open(), 0, guest.tensor([1], 1, bytes(8))) == UNSUPPORTED


# --- reference models ----------------------------------------------------------------------


def test_squeezenet_gives_its_official_vector(nn: Open, data: Path) -> None:
    guest = nn({"net": models().load(data / "models" / "squeezenet1.1.onnx")})
    given = np.load(data / "models" / "squeezenet1.1_input.npy").astype("f4")
    wanted = np.load(data / "models" / "squeezenet1.1_output.npy")
    got = np.frombuffer(guest.infer(guest.open(), given, OLD["f32"]), "f4").reshape(wanted.shape)
    assert np.abs(got - wanted).max() < 2e-3


def test_mnist_is_ten_of_ten(nn: Open, data: Path) -> None:
    from PIL import Image

    guest = nn({name: models().load(data / "models" / name) for name in ("mnist.onnx", "mnist_quant.tflite")})
    for name, dtype in (("mnist.onnx", "f4"), ("mnist_quant.tflite", "u1")):
        context = guest.open(name)
        for digit in range(10):
            with Image.open(data / "images" / "mnist" / f"{digit}.png") as image:
                pixels = np.asarray(image.convert("L")).astype(dtype)
            scores = np.frombuffer(guest.infer(context, pixels, NEW["f32" if dtype == "f4" else "u8"]), dtype)
            assert scores.argmax() == digit
