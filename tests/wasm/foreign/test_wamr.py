"""Programs for WAMR's older ``wasi_nn``."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.nn.tiny import onnx_identity, tflite_identity
from tests.wasm.foreign.conftest import Foreign
from tests.wasm.harness import Driven, Probe, models
from weft.core.errors import GuestExit
from weft.core.limits import MIB, Grants, Limits

Drive = Callable[..., Driven]
DIGITS = tuple(f"images/mnist/{digit}.png" for digit in range(10))


def read(printed: list[bytes]) -> list[int]:
    return [int(line.split()[0]) for line in printed[0].decode().splitlines()]


def test_a_quantised_model_is_given_and_gives_floats(foreign: Foreign, drive: Drive, grants: Grants) -> None:
    program = drive(foreign("wamr"), grants=grants, args=("models/mnist_quant.tflite", *DIGITS))
    assert read(program()) == list(range(10))


def test_a_granted_model_goes_by_its_name(foreign: Foreign, drive: Drive, grants: Grants, data: Path) -> None:
    granted = {"default": models().load(data / "models" / "mnist_quant.tflite")}
    program = drive(foreign("wamr"), grants=Grants(dirs=grants.dirs), models=granted, args=("@default", *DIGITS[3:5]))
    assert read(program()) == [3, 4]


def test_what_was_not_granted_is_refused(foreign: Foreign, drive: Drive, grants: Grants) -> None:
    with pytest.raises(GuestExit, match=r"wasi_nn\.load_by_name: no model 'default' was granted"):
        drive(foreign("wamr"), grants=grants, args=("@default", DIGITS[0]))()
    words = ("models/mnist_quant.tflite", DIGITS[0])
    with pytest.raises(GuestExit, match=r"wasi_nn\.load: the guest brings its own model") as caught:
        drive(foreign("wamr"), grants=Grants(dirs=grants.dirs), args=words)()
    assert "--allow nn.load" in caught.value.cure


def ready(probe, model: bytes, limits: Limits = Limits()) -> Probe:
    """A probe with context 0 of a model."""
    made: Probe = probe("wasi_nn", grants=Grants(allow=frozenset({"nn.load"})), limits=limits)
    parts = made.put(struct.pack("<II", made.put(model), len(model)))
    out = made.put(bytes(4))
    assert made.load(made.put(struct.pack("<II", parts, 1)), 4, 0, out) == 0
    assert made.init_execution_context(0, out) == 0
    return made


def tensor(probe: Probe, values: np.ndarray, kind: int, dims: tuple[int, ...] | None = None) -> int:
    sides = dims if dims is not None else values.shape
    shape = probe.put(struct.pack("<II", probe.put(struct.pack(f"<{len(sides)}I", *sides)), len(sides)))
    return probe.put(struct.pack("<III", shape, kind, probe.put(values.tobytes())))


def test_inputs_of_all_contexts_together_are_bounded(probe) -> None:
    made = ready(probe, tflite_identity("f32", [1, 300_000]), Limits(memory=4 * MIB))
    given, out = tensor(made, np.zeros((1, 300_000), np.float32), 1), made.put(bytes(4))
    assert [made.init_execution_context(0, out) for _ in range(3)] == [0, 0, 0]
    assert [made.set_input(context, 0, given) for context in range(4)] == [0, 0, 0, 7]
    assert "limits.memory" in made.instance.notes[-1]
    assert made.set_input(2, 0, given) == 0  # in the place of the last one


@pytest.mark.parametrize(
    ("model", "room", "size"), [(tflite_identity("f32", [1, 4]), 4, 4), (onnx_identity("f32", [1, 4]), 16, 16)]
)
def test_sizes_are_numbers_with_tflite_and_bytes_with_others(probe, model: bytes, room: int, size: int) -> None:
    made, values = ready(probe, model), np.arange(4, dtype=np.float32).reshape(1, 4)
    out, at = made.put(bytes(16)), made.put(struct.pack("<I", room - 1))
    assert made.set_input(0, 0, tensor(made, values, 1)) == 0
    assert made.get_output(0, 0, out, at) == 5  # nothing was computed
    assert made.compute(0) == 0
    assert made.get_output(0, 0, out, at) == 3
    assert (made.read(out, 16), made.u32(at)) == (bytes(16), room - 1)
    made.instance.memory.write_u32(at, 1000)
    assert made.get_output(0, 0, out, at) == 0
    assert made.u32(at) == size
    assert made.read(out, 16) == values.tobytes()


@pytest.mark.parametrize(
    ("kind", "dims", "says"),
    [
        (9, (1, 4), "no tensor type 9"),
        (2, (1, 4), "takes f32; the guest gave u8"),
        (1, (65536, 65535), "lie outside"),
        (1, (65536, 65536), "lie outside"),
        (1, (1,) * 17, "a tensor of rank 17"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(probe, kind: int, dims: tuple[int, ...], says: str) -> None:
    made = ready(probe, tflite_identity("f32", [1, 4]))
    assert made.set_input(0, 0, tensor(made, np.zeros(5, np.float32), kind, dims)) == 1
    assert says in made.instance.notes[-1]


def test_integers_without_a_scale_are_passed_as_they_are_and_not_given_as_floats(probe) -> None:
    made = ready(probe, tflite_identity("u8", [1, 4]))
    at = made.put(struct.pack("<I", 4))
    assert made.set_input(0, 0, tensor(made, np.arange(4, dtype=np.uint8).reshape(1, 4), 2)) == 0
    assert made.set_input(0, 0, tensor(made, np.zeros((1, 4), np.float32), 1)) == 1
    assert made.compute(0) == 0
    assert made.get_output(0, 0, made.put(bytes(16)), at) == 6
    assert "the engine tells no scale" in made.instance.notes[-1]


def test_quantising_cuts_and_stays_in_range(probe, data: Path) -> None:
    made = ready(probe, (data / "models" / "mnist_quant.tflite").read_bytes())
    values = np.full((1, 28, 28, 1), np.float32(1000))
    values[0, 0, :3, 0] = (np.nan, -np.inf, 0.00786)
    assert made.set_input(0, 0, tensor(made, values, 1)) == 0
    state, port = made.instance.host(made.program.slots[0].host)._nn.input_of(0, 0)
    stored = state.inputs[port.name].array.reshape(-1)
    assert list(stored[1:4]) == [0, 128, 255]
