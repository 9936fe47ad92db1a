"""Functions made with wasm-bindgen and wasmedge-bindgen."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wasm.foreign.conftest import Foreign
from tests.wasm.foreign.test_wasmedge import best_five
from tests.wasm.harness import Driven, Probe, models
from weft.core.errors import GuestFailed, GuestTrap, ModuleError, OutputLimitError, TimeLimitError, UsageError
from weft.core.frame import Frame
from weft.core.limits import MIB, Limits

Drive = Callable[..., Driven]
Wat = Callable[..., Path]
MEMORY = '(memory (export "memory") 1)'
WASMEDGE = (
    f'{MEMORY} (func (export "allocate") (param i32) (result i32) (i32.const 64))'
    '(func (export "deallocate") (param i32 i32))'
)
WASM = (
    f'{MEMORY} (func (export "__wbindgen_malloc") (param i32 i32) (result i32) (i32.const 64))'
    '(func (export "__wbindgen_free") (param i32 i32 i32) (if (i32.ne (local.get 2) (i32.const 1)) (then unreachable)))'
)


def test_wasm_bindgen_with_a_real_model(foreign: Foreign, drive: Drive, data: Path) -> None:
    model, picture = data / "models" / "mobilenet_v2_quant.tflite", data / "images" / "whale.jpg"
    function = drive(foreign("bindgen_js"), models={"net": models().load(model)})
    assert function.function.abi.name == "bindgen"
    for _ in range(2):
        (made,) = function.frames(Frame(picture.read_bytes(), media_type="image/jpeg"))
        assert made.media_type == "application/json"
        best = json.loads(made.payload)["labels"][0]
        assert best["index"] == int(best_five(model, picture)[0].split()[0])
        assert best["left"] == 0  # the host freed the result, the function its parameter


def test_wasmedge_bindgen_as_it_is_now(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("bindgen_returned"), config={"function": "shout"})
    (made,) = function.frames(Frame(b"hello", sequence=3))
    assert (made.payload, made.media_type, made.stream, made.sequence) == (b"HELLO", "text/plain", "", 3)


def test_results_of_other_types_become_frames_of_their_own(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("bindgen_returned"))
    for _ in range(3):  # nothing is left behind
        made = function.frames(Frame(b"12345"))
        assert [(frame.payload, frame.media_type) for frame in made] == [
            (b"0", "text/plain"),
            (b"2.5", "text/plain"),
            (b"\xff\x00", "application/octet-stream"),
        ]


def test_an_error_fails_the_frame_and_keeps_the_instance(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("bindgen_returned"), args=("shout",))
    function(b"before")
    before = function.instance
    with pytest.raises(GuestFailed, match="shout returned an error: not this one"):
        function(b"fail")
    assert function(b"after") == [b"AFTER"]
    assert function.instance is before


@pytest.mark.parametrize(("text", "says"), [(b"many", "2147483647 results; at most"), (b"lost", "lie outside")])
def test_a_result_that_is_none_fails_the_frame(foreign: Foreign, drive: Drive, text: bytes, says: str) -> None:
    function = drive(foreign("bindgen_returned"), args=("shout",))
    with pytest.raises(GuestTrap, match=says):
        function(text)
    assert function(b"after") == [b"AFTER"]


def test_wasmedge_bindgen_as_it_began(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("bindgen_env"))
    assert function(b"hello") == [b"HELLO"]
    with pytest.raises(GuestFailed, match="shout returned an error: nothing to say"):
        function(b"")
    with pytest.raises(GuestTrap, match="return_result: 64 bytes at 0xfffffff0 lie outside"):
        function(b"lost")
    assert function(b"again") == [b"AGAIN"]


def test_wasmedge_bindgen_in_between(foreign: Foreign, drive: Drive) -> None:
    function = drive(foreign("bindgen_records"))
    # The text is the host's to free, and so is the list of parameters: two pieces are held during every call.
    assert [function(b"hello") for _ in range(2)] == [[b"HELLO", b"1", b"2"], [b"HELLO", b"2", b"2"]]


# --- which function -----------------------------------------------------------------------


def export(name: str, params: str = "i32 i32", result: str = "(result i32) (i32.const 0)") -> str:
    return f'(func (export "{name}") (param {params}) {result})'


@pytest.mark.parametrize(
    ("exports", "options", "chosen"),
    [
        (export("only"), {}, "only"),
        (export("only") + export("helper", "i64 i32"), {}, "only"),
        (export("other") + export("infer"), {}, "infer"),
        (export("other") + export("infer"), {"args": ("other", "more")}, "other"),
        (export("other") + export("infer"), {"args": ("infer",), "config": {"function": "other"}}, "other"),
    ],
)
def test_which_function_is_called(wat: Wat, drive: Drive, exports: str, options: dict, chosen: str) -> None:
    from weft.wasm.abi.bindgen import chosen_function

    assert chosen_function(drive(wat(f"(module {WASMEDGE} {exports})"), **options).function.program) == chosen


@pytest.mark.parametrize(
    ("exports", "options", "error", "says", "cure"),
    [
        ("", {}, ModuleError, "exports no function to call, for wasmedge-bindgen", "config function"),
        (export("a") + export("b"), {}, ModuleError, "2 functions to choose from: a, b", "--config function=NAME"),
        (export("detect"), {"args": ("detekt",)}, UsageError, "no function 'detekt'", "did you mean 'detect'"),
        (export("a"), {"config": {"function": "deallocate"}}, UsageError, "no function 'deallocate'", "one of a"),
        (export("a", "i32"), {"args": ("a",)}, UsageError, "no function 'a'", "one of none"),
    ],
)
def test_a_function_that_cannot_be_chosen_is_refused_at_once(
    wat: Wat, drive: Drive, exports: str, options: dict, error: type[Exception], says: str, cure: str
) -> None:
    with pytest.raises(error) as caught:
        drive(wat(f"(module {WASMEDGE} {exports})"), **options)
    assert says in caught.value.what
    assert cure in caught.value.cure


# --- what guests may do wrong -------------------------------------------------------------


def test_newer_wasm_bindgen_takes_an_alignment(wat: Wat, drive: Drive) -> None:
    give_back = "(i32.store (local.get 0) (local.get 1)) (i32.store offset=4 (local.get 0) (local.get 2))"
    module = wat(f"(module {WASM} {export('infer', 'i32 i32 i32', give_back)})")
    assert drive(module)(b"payload") == [b"payload"]
    assert drive(module)(b"") == []


@pytest.mark.parametrize("pointer", ["(i32.const -1)", "(i32.const 65535)"])
def test_memory_that_is_none_fails_the_frame(wat: Wat, drive: Drive, pointer: str) -> None:
    allocate = WASMEDGE.replace("(i32.const 64)", pointer)
    with pytest.raises(GuestTrap, match=r"bad pointer: .* lie outside"):
        drive(wat(f"(module {allocate} {export('f')})"))(b"payload")


def test_the_calls_of_one_frame_share_its_time(wat: Wat, drive: Drive) -> None:
    """Each call ends in time, but there are many of them."""
    slow = """(local $i i32) (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if 0 (i32.lt_u (local.get $i) (i32.const 30000000))))"""
    records = f"""{MEMORY} (func (export "allocate") (param i32) (result i32) (i32.const 64))
      (func (export "deallocate") (param i32 i32) {slow})
      (func (export "f") (param i32 i32) (result i32)
        (i32.store (i32.const 1025) (i32.const 2048)) (i32.store (i32.const 1029) (i32.const 1000))
        (i32.store (i32.const 2056) (i32.const 1)) (i32.const 1024))"""
    with pytest.raises(TimeLimitError, match="ran longer than its"):
        drive(wat(f"(module {records})"), limits=Limits(time=0.05))(b"x")


def test_an_error_leaves_nothing_behind_in_the_guest(wat: Wat, drive: Drive) -> None:
    """Its error is the number of pieces that are held when it is called: the list of parameters, and the one."""
    step = "(global.set $held (i32.{} (global.get $held) (i32.const 1)))"
    counts = f"""{MEMORY} (global $held (mut i32) (i32.const 0))
      (func (export "allocate") (param i32) (result i32) {step.format("add")}
        (i32.mul (global.get $held) (i32.const 64)))
      (func (export "deallocate") (param i32 i32) {step.format("sub")})
      (func (export "f") (param i32 i32) (result i32)
        (i32.store8 (i32.const 2048) (i32.add (i32.const 48) (global.get $held))) {step.format("add")}
        (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1025) (i32.const 2048))
        (i32.store (i32.const 1029) (i32.const 1)) (i32.const 1024))"""
    function = drive(wat(f"(module {counts})"))
    for _ in range(3):
        with pytest.raises(GuestFailed, match=r"f returned an error: 2$"):
            function(b"x")


MANY_RESULTS = 100


def test_results_that_overlap_are_refused_before_they_are_copied(wat: Wat, drive: Drive) -> None:
    """A guest of one page names it a hundred times."""
    records = f"""{WASMEDGE} (func (export "f") (param i32 i32) (result i32) (local $i i32)
        (loop (i32.store (i32.add (i32.const 2052) (i32.mul (local.get $i) (i32.const 12))) (i32.const 31))
          (i32.store (i32.add (i32.const 2056) (i32.mul (local.get $i) (i32.const 12))) (i32.const 65536))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if 0 (i32.lt_u (local.get $i) (i32.const {MANY_RESULTS}))))
        (i32.store (i32.const 1025) (i32.const 2048)) (i32.store (i32.const 1029) (i32.const {MANY_RESULTS}))
        (i32.const 1024))"""
    with pytest.raises(OutputLimitError, match=r"emitted 6\.2 MiB for one frame, and may 1\.0 MiB") as caught:
        drive(wat(f"(module {records})"), limits=Limits(output=MIB))(b"x")
    assert caught.value.cure == "raise limits.output"


def test_results_that_are_told_may_not_overlap_into_too_much_either(probe: Callable[..., Probe]) -> None:
    made = probe("wasmedge-bindgen", limits=Limits(output=MIB))
    at = made.put(struct.pack("<III", 0, 31, 65536) * MANY_RESULTS)
    with pytest.raises(OutputLimitError, match=r"emitted 6\.2 MiB for one frame, and may 1\.0 MiB"):
        made.return_result(at, MANY_RESULTS)


def test_a_module_may_need_its_start(wat: Wat, drive: Drive) -> None:
    body = f"""{WASMEDGE} (global $ready (mut i32) (i32.const 0))
      (func (export "_start") (global.set $ready (i32.const 1)))
      (func (export "f") (param i32 i32) (result i32) (if (i32.eqz (global.get $ready)) (then unreachable))
        (i32.const 1024))"""
    assert drive(wat(f"(module {body})"))(b"x") == []
