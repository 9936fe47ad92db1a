"""wasi:nn in components: real models by handle, and what is refused."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.component.guests import NN, NOTHING, RET_AT, component, text
from tests.wasm.harness import Driven, models
from weft.core.errors import GuestError, GuestFailed, MediaError
from weft.core.limits import MIB, Grants, Limits
from weft.core.model import Model
from weft.wasm.component.handles import Handles
from weft.wasm.guard import Refusal

Guest = Callable[..., Driven]

CHECK = f"""(if (i32.load8_u {RET_AT}) (then
    (call $error_data (call $ret #4) #560)
    (i32.store8 #900 (i32.add #48 (call $error_code (call $ret #4))))
    (call $log #2 #900 #1 (i32.load #560) (i32.load #564))
    (return (call $fail (i32.load #560) (i32.load #564)))))"""
"""Fail with the words of a wasi:nn error, its code logged before them."""

CONTEXT = f"""(call $load_by_name {text(0, 3)} {RET_AT}) {CHECK}
  (call $new_context (call $ret #4) {RET_AT}) {CHECK} (local.set $i (call $ret #4))"""
IMAGENET = (
    "#1 (f32.const 0.485) (f32.const 0.456) (f32.const 0.406) #1 (f32.const 0.229) (f32.const 0.224) (f32.const 0.225)"
)
PICTURE = f"""(call $to_tensor #224 #224 #1 #1 {IMAGENET} {RET_AT})
  (if (i32.load8_u {RET_AT}) (then (return (call $fail (call $ret #8) (call $ret #12)))))
  (local.set $t (call $ret #4))"""
COMPUTE = f"""(i32.store #800 #1088) (i32.store #804 #NAME)
  (i32.store #808 (local.get $t))
  (call $compute (local.get $i) #800 #1 {RET_AT}) {CHECK}
  (local.set $t (i32.load (i32.add (call $ret #4) #8)))"""
DATA_OUT = f"""(call $tensor_data (local.get $t) {RET_AT})
  (call $emit {NOTHING} {NOTHING} (call $ret #0) (call $ret #4) #528)"""


def computing(name: str) -> str:
    return COMPUTE.replace("NAME", str(len(name)))


def model(data: Path, name: str) -> Model:
    return models().load(data / "models" / name)


@pytest.mark.parametrize("picture", ["cat.jpg", "grace_hopper.jpg"])
@pytest.mark.parametrize("named", [True, False])
def test_a_component_classifies_as_expected(guest: Guest, data: Path, picture: str, named: bool) -> None:
    net = model(data, "squeezenet1.1.onnx")
    port = net.info.inputs[0].name if named else "0"
    code = f"{CONTEXT} {PICTURE} {computing(port)} {DATA_OUT}"
    classify = guest(code, data=["net", port], models={"net": net})
    expected = json.loads((data / "expected.json").read_text())["top5"]["squeezenet1.1.onnx"][picture]
    payload = (data / "images" / picture).read_bytes()
    for _ in range(3):  # its handles are the guest's to drop: this one does not, and has room for a while
        [raw] = classify(payload, media_type="image/jpeg")
        scores = np.frombuffer(raw, np.float32)
        chances = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        top = np.argsort(-chances)[:5]
        assert top.tolist() == [row["index"] for row in expected]
        assert math.isclose(chances[top[0]], expected[0]["probability"], abs_tol=0.02)


def identity(name: str, length: int, dims: tuple[int, ...]) -> str:
    """Run a model on a tensor of the payload's bytes, and emit what it gives."""
    shape = "".join(f"(i32.store #{768 + 4 * index} #{dim})" for index, dim in enumerate(dims))
    return f"""{CONTEXT} {shape} (call $read (i64.const 0) (i64.const {length}) {RET_AT})
      (local.set $t (call $new_tensor #768 #{len(dims)} #1 (call $ret #0) (call $ret #4)))
      {computing(name)} {DATA_OUT}"""


def test_tensors_of_the_guests_own_cross_both_ways(guest: Guest, data: Path) -> None:
    net = model(data, "identity.onnx")
    port = net.info.inputs[0]
    values = np.arange(4, dtype=np.float32)
    own = guest(identity(port.name, 16, (1, 4)), data=["net", port.name], models={"net": net})
    assert np.frombuffer(own(values.tobytes())[0], np.float32).tolist() == values.tolist()


def test_a_name_that_was_not_granted_is_refused_with_the_cure(guest: Guest, data: Path) -> None:
    net = model(data, "identity.onnx")
    with pytest.raises(GuestFailed, match="no model 'net' was granted") as refused:
        guest(CONTEXT, data=["net"])(b"")
    assert "--model net=FILE" in refused.value.cure
    with pytest.raises(GuestFailed) as near:
        guest(CONTEXT, data=["net"], models={"nets": net})(b"")
    assert "did you mean 'nets'" in near.value.cure


def test_the_errors_code_says_what_kind_it_is(guest: Guest, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    net = model(data, "identity.onnx")
    port = net.info.inputs[0].name
    wrong_type = identity(port, 16, (1, 4)).replace("#2 #1 (call $ret", "#2 #5 (call $ret")
    cases = [
        (CONTEXT, {}, "7: no model 'net'"),
        (identity("inputs", 16, (1, 4)), {"net": net}, "6: no input 'inputs'"),
        (identity(port, 12, (1, 3)), {"net": net}, "0: "),
        (wrong_type, {"net": net}, "0: input"),
    ]
    for code, granted, says in cases:
        caplog.clear()
        with caplog.at_level("INFO", logger="weft.guest.kinds"), pytest.raises(GuestFailed):
            guest(code, data=["net", "inputs" if "'inputs'" in says else port], models=granted, name="kinds")(bytes(16))
        assert any(record.getMessage().startswith(says) for record in caplog.records), (says, caplog.messages)


def test_own_model_bytes_need_their_grant(guest: Guest, data: Path) -> None:
    code = f"""(call $read (i64.const 0) (call $size) {RET_AT}) (i32.store #800 (call $ret #0))
      (i32.store #804 (call $ret #4))
      (call $load #800 #1 #6 #0 {RET_AT}) {CHECK}"""
    model_bytes = (data / "models" / "identity.onnx").read_bytes()
    with pytest.raises(GuestFailed, match="brings its own model") as refused:
        guest(code)(model_bytes)
    assert "--allow nn.load" in refused.value.cure
    allowed = guest(code, grants=Grants(allow=frozenset({"nn.load"})))
    assert allowed(model_bytes) == []
    with pytest.raises(GuestFailed):
        allowed(b"no model at all")


def test_a_frame_that_is_no_picture_is_refused(guest: Guest, data: Path) -> None:
    with pytest.raises(GuestFailed) as refused:
        guest(PICTURE)(b"no picture", media_type="image/jpeg")
    assert refused.value.what.count("picture") >= 1
    assert MediaError.__name__ not in refused.value.what


@pytest.mark.parametrize("side", [0, 20_000, 2**31])
def test_a_picture_of_an_impossible_size_is_refused(guest: Guest, data: Path, side: int) -> None:
    code = PICTURE.replace("#224", f"#{side}")
    with pytest.raises(GuestFailed, match="sides are 1 to 16384"):
        guest(code)((data / "images" / "cat.jpg").read_bytes(), media_type="image/jpeg")


def test_a_picture_over_the_memory_limit_is_refused_before_it_is_made(guest: Guest, data: Path) -> None:
    code = PICTURE.replace("#224", "#16384")
    with pytest.raises(GuestFailed, match="held by the host"):
        guest(code)((data / "images" / "cat.jpg").read_bytes(), media_type="image/jpeg")


def test_handles_are_bounded_and_the_next_instance_has_all_of_them(guest: Guest, data: Path) -> None:
    net = model(data, "identity.onnx")
    hoard = guest(f"{CONTEXT} {CONTEXT}", data=["net"], models={"net": net}, limits=Limits(handles=9))
    assert [hoard(b""), hoard(b"")] == [[], []]
    with pytest.raises(GuestError, match="9 handles are open"):
        hoard(b"")
    assert hoard(b"") == []


def test_the_version_of_august_sets_inputs_and_gets_outputs_one_by_one(
    write: Callable[[str], Path], drive: Callable[..., Driven], data: Path
) -> None:
    net = model(data, "identity.onnx")
    names = [net.info.inputs[0].name, net.info.outputs[0].name]
    setting = f"""(call $set_input (local.get $i) {text(1, len(names[0]))} (local.get $t) {RET_AT}) {CHECK}
      (call $compute (local.get $i) {RET_AT}) {CHECK}"""
    getting = f"""(call $get_output (local.get $i) {text(2, len(names[1]))} {RET_AT}) {CHECK}
      (local.set $t (call $ret #4)) {DATA_OUT}"""
    whole = identity(names[0], 16, (1, 4)).replace(computing(names[0]) + " " + DATA_OUT, "SET GET")
    assert "SET GET" in whole

    def august(code: str) -> Driven:
        made = component(code, data=["net", *names]).replace(NN, "0.2.0-rc-2024-08-19")
        made = made.replace(
            '(param "inputs" $named)\n      (result (result $named (error', "\n      (result (result (error"
        )
        made = made.replace("(func $compute (param i32 i32 i32 i32))", "(func $compute (param i32 i32))")
        return drive(write(made), models={"net": net})

    values = np.arange(4, dtype=np.float32).tobytes()
    both = august(whole.replace("SET GET", setting + getting))
    assert both(values) == [values]
    assert both.instance.host(Handles).held == 2 * 16  # the context's input, and the output
    with pytest.raises(GuestFailed, match="before compute succeeded"):
        august(whole.replace("SET GET", getting))(values)
    with pytest.raises(GuestFailed):
        august(whole.replace("SET GET", f"(call $compute (local.get $i) {RET_AT}) {CHECK}"))(values)


def test_what_an_object_becomes_counts_too(guest: Guest, data: Path) -> None:
    driven = guest(CONTEXT, data=["net"], models={"net": model(data, "identity.onnx")}, limits=Limits(memory=4 * MIB))
    assert driven(b"") == []
    handles = driven.instance.host(Handles)
    first, second = handles.add("first", 16), handles.add("second")
    handles.weigh(second, 4 * MIB - 16)
    with pytest.raises(Refusal, match="held by the host"):
        handles.weigh(first, 17)
    assert handles.held == 4 * MIB
    handles.weigh(second, 0)
    handles.weigh(first, 17)
    assert handles.held == 17
    handles.drop(first)
    assert handles.held == 0


def test_a_dropped_graph_leaves_its_context(guest: Guest, data: Path) -> None:
    net = model(data, "identity.onnx")
    port = net.info.inputs[0].name
    code = identity(port, 16, (1, 4)).replace(
        "(local.set $i (call $ret #4))",
        "(local.set $i (call $ret #4)) (call $drop_graph (global.get $count))",
        1,
    )
    code = code.replace("(call $new_context", "(global.set $count (call $ret #4)) (call $new_context", 1)
    assert guest(code, data=["net", port], models={"net": net})(bytes(16)) == [bytes(16)]


NUMBER = st.one_of(st.integers(-4, 70), st.integers(-(2**31), 2**31 - 1))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(NUMBER, min_size=24, max_size=24))
def test_whatever_a_guest_passes_only_its_frame_fails(guest: Guest, data: Path, numbers: list[int]) -> None:
    at = iter([f"#{number}" for number in numbers])
    some = lambda count: " ".join(next(at) for _ in range(count))  # noqa: E731 - it is only read here
    calls = [
        f"(drop (call $new_tensor {some(5)}))",
        f"(call $tensor_data {some(1)} {RET_AT})",
        f"(call $load_by_name {some(2)} {RET_AT})",
        f"(call $new_context {some(1)} {RET_AT})",
        f"(call $compute {some(4)})",
        f"(call $load {some(5)})",
        f"(call $share {some(2)})",
        f"(drop (call $error_code {some(1)}))",
    ]
    order = sorted(range(len(calls)), key=lambda index: numbers[index])
    code = f"(call $text {RET_AT}) (if (i32.eqz (call $ret #4)) (then {' '.join(calls[i] for i in order)}))"
    fuzzed = guest(code, models={"net": model(data, "identity.onnx")})
    with contextlib.suppress(GuestError):
        fuzzed(b"")
    assert fuzzed(b"fine") == []
