"""What every engine must do alike. Each test runs against each of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.nn.conftest import MAKERS
from weft.core.dtypes import BF16, BYTES, DTYPES, F32, U16, dtype_named
from weft.core.errors import ModelError, TensorError, WeftError
from weft.core.model import ModelOptions
from weft.core.tensor import Tensor

NUMBERS = [row.name for row in DTYPES if row is not BYTES]


def values(dtype: str, shape: tuple[int, ...]) -> Tensor:
    """Different values that survive every dtype; for bf16 the bits of 1, 2, 3 …"""
    row = dtype_named(dtype)
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    if row is BF16:
        return Tensor((numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16), BF16)
    return Tensor((numbers % 2 if dtype == "bool" else numbers).astype(row.numpy), row)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_dtype_goes_through_unchanged(identity, dtype):
    given = values(dtype, (2, 3))
    model = identity(dtype, [2, 3])
    assert [port.dtype.name for port in (*model.info.inputs, *model.info.outputs)] == [dtype, dtype]
    result = model.infer({"x": given})["y"]
    assert result.dtype is given.dtype
    assert np.array_equal(result.array, given.array)


@pytest.mark.parametrize("shape", [(), (0, 2), (2, 0, 3), (1, 1, 1, 1, 2)])
def test_scalars_empty_tensors_and_many_dimensions(identity, shape):
    model = identity("f32", list(shape))
    assert model.info.inputs[0].shape == shape
    assert model.infer({"x": values("f32", shape)})["y"].shape == shape


def test_a_dynamic_dimension_takes_any_size(identity):
    model = identity("f32", [None, 3])
    assert model.info.inputs[0].shape == (None, 3)
    for rows in (1, 4, 0, 2, 4):
        given = values("f32", (rows, 3))
        assert np.array_equal(model.infer({"x": given})["y"].array, given.array)


def test_outputs_belong_to_the_caller(identity):
    model = identity("f32", [4])
    given = values("f32", (4,))
    first = model.infer({"x": given})["y"].array
    first[:] = -1
    assert model.infer({"x": given})["y"].array.tolist() == [0, 1, 2, 3]
    second = model.infer({"x": given})["y"].array
    given.array[:] = 9
    model.infer({"x": given})
    assert second.tolist() == [0, 1, 2, 3]
    assert first.tolist() == [-1] * 4


def test_inputs_may_be_read_only_memory(identity):
    raw = np.arange(4, dtype=np.float32).tobytes()
    given = Tensor.from_buffer(F32, (4,), raw)
    assert not given.array.flags.writeable
    assert identity("f32", [4]).infer({"x": given})["y"].array.tolist() == [0, 1, 2, 3]


def test_only_the_outputs_asked_for_come_back(identity):
    model = identity("f32", [1])
    assert list(model.infer({"x": values("f32", (1,))}, ["y"])) == ["y"]
    assert model.infer({"x": values("f32", (1,))}, []) == {}


def test_a_wrong_dtype_names_port_dtypes_and_cure(identity):
    with pytest.raises(TensorError, match=r"input x: f32\[2\] was given f64\[2\]") as caught:
        identity("f32", [2]).infer({"x": values("f64", (2,))})
    assert caught.value.cure == "convert it: array.astype('float32')"


def test_bf16_bits_must_be_called_bf16(identity):
    with pytest.raises(TensorError, match=r"input x: bf16\[2\] was given u16\[2\]") as caught:
        identity("bf16", [2]).infer({"x": Tensor(np.zeros(2, np.uint16), U16)})
    assert "Tensor(bits, BF16)" in caught.value.cure


@pytest.mark.parametrize(
    ("dims", "shape", "cure"),
    [
        ([2], (3,), "make it x: f32[2]"),
        ([None, 3], (4, 4), "make it x: f32[?, 3]"),
        ([1, 2], (2,), "add the batch dimension"),
        ([1, 3, 8, 8], (1, 8, 8, 3), "transpose(0, 3, 1, 2)"),
        ([1, 8, 8, 3], (1, 3, 8, 8), "transpose(0, 2, 3, 1)"),
    ],
)
def test_a_wrong_shape_names_the_cure(identity, dims, shape, cure):
    with pytest.raises(TensorError, match=r"was given shape \[") as caught:
        identity("f32", dims).infer({"x": values("f32", shape)})
    assert cure in caught.value.cure


def test_unknown_and_missing_names_list_the_right_ones(identity):
    model = identity("f32", [1])
    one = values("f32", (1,))
    with pytest.raises(TensorError, match="no input 'X'") as caught:
        model.infer({"X": one})
    assert caught.value.cure == "did you mean 'x'? the inputs are: x: f32[1]"
    with pytest.raises(TensorError, match="no input 'z'"):
        model.infer({"x": one, "z": one})
    with pytest.raises(TensorError, match=r"input x: f32\[1\] was not given"):
        model.infer({})
    with pytest.raises(TensorError, match="no output 'Y'") as caught:
        model.infer({"x": one}, ["Y"])
    assert "the outputs are: y: f32[1]" in caught.value.cure


def test_a_model_works_on_after_a_refused_call(identity):
    model = identity("f32", [None, 2])
    for wrong in (values("f32", (2, 3)), values("i32", (1, 2))):
        with pytest.raises(TensorError):
            model.infer({"x": wrong})
        assert model.infer({"x": values("f32", (1, 2))})["y"].array.tolist() == [[0, 1]]


@pytest.mark.parametrize("threads", [1, 2])
def test_eight_threads_each_get_their_own_answer(identity, threads):
    model = identity("f32", [None, 16], threads)
    together = threading.Barrier(8)

    def ask(number: int) -> bool:
        given = Tensor(np.full((1 + number % 3, 16), number, np.float32))
        together.wait()
        return all(np.array_equal(model.infer({"x": given})["y"].array, given.array) for _ in range(40))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_a_truncated_model_is_a_model_error(engine, service):
    content = MAKERS[engine]("f32", [64])
    with pytest.raises(ModelError) as caught:
        service.load_bytes([content[: len(content) - 60]], ModelOptions(engine=engine))
    assert caught.value.cure


def test_a_dtype_weft_has_no_name_for_is_a_model_error(engine, service):
    content = MAKERS[engine]("complex64" if engine == "litert" else "f8", [1])
    with pytest.raises(ModelError, match="port 'x' is") as caught:
        service.load_bytes([content], ModelOptions(engine=engine))
    assert "f32" in caught.value.cure


def test_a_file_may_have_any_name(engine, service, tmp_path):
    """As blobs in a store do, whose names are digests."""
    path = tmp_path / "b5bb9d8014a0f9b1"
    path.write_bytes(MAKERS[engine]("f32", [2]))
    model = service.load(path, ModelOptions(engine=engine))
    assert model.infer({"x": values("f32", (2,))})["y"].array.tolist() == [0, 1]


def test_a_model_outlives_its_file(engine, service, tmp_path):
    """A file that is shortened under a running process must not end it, nor change what the model is."""
    path = tmp_path / "model"
    path.write_bytes(MAKERS[engine]("f32", [2]))
    model = service.load(path, ModelOptions(engine=engine, threads=1))
    path.write_bytes(b"")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: model.infer({"x": values("f32", (2,))})["y"].array.tolist(), range(8)))
    assert answers == [[0, 1]] * 8


def test_the_info_says_what_runs(identity, engine):
    info = identity("f32", [1], threads=2).info
    assert (info.engine, info.device, info.precision, info.threads) == (engine, "cpu", "f32", 2)
    assert info.engine_version[0].isdigit()
    assert [str(port) for port in (*info.inputs, *info.outputs)] == ["x: f32[1]", "y: f32[1]"]


@pytest.mark.parametrize("name", ["onnxruntime", "litert"])
def test_text_goes_through_unchanged(service, name):
    model = service.load_bytes([MAKERS[name]("bytes", [2, 2])], ModelOptions(engine=name))
    given = Tensor(np.array([["a", "é"], ["", "two words"]]))
    result = model.infer({"x": given})["y"]
    assert result.dtype is BYTES
    assert result.array.tolist() == given.array.tolist() == [[b"a", "é".encode()], [b"", b"two words"]]


def test_onnxruntime_takes_only_text_that_is_utf8(service):
    model = service.load_bytes([MAKERS["onnxruntime"]("bytes", [1])], ModelOptions(engine="onnxruntime"))
    with pytest.raises(TensorError, match="not UTF-8"):
        model.infer({"x": Tensor(np.array([b"\xff"], dtype=object), BYTES)})


def test_openvino_refuses_text_before_it_can_crash(service):
    with pytest.raises(ModelError, match="port 'x' is string, which Weft does not pass to OpenVINO"):
        service.load_bytes([MAKERS["openvino"]("bytes", [1])], ModelOptions(engine="openvino"))


def test_damaged_bytes_are_a_weft_error_or_another_model(engine, service):
    """A guest may bring any bytes: whatever they are, the process lives and the error is one of ours."""
    content, random = MAKERS[engine]("f32", [4]), np.random.default_rng(7)
    refused = 0
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[random.integers(0, len(damaged), random.integers(1, 6))] = random.integers(0, 256)
        try:
            service.load_bytes([damaged.tobytes()], ModelOptions(engine=engine, threads=1))
        except WeftError:
            refused += 1
    assert 0 < refused < 60
    assert service.load_bytes([content], ModelOptions(engine=engine)).infer({"x": values("f32", (4,))})["y"].shape == (
        4,
    )
