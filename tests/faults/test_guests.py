"""Guests that do their worst in a pipeline: the frame fails and is counted, its neighbours come through."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from tests.faults.conftest import Done, Guests, Ran, lines, write_pipeline
from weft.core.errors import GuestError, GuestTrap, MemoryLimitError, OutputLimitError, PipelineError, TimeLimitError
from weft.core.limits import Limits

Run = Callable[..., Ran]

TIGHT = {"time": "400ms", "memory": "24MiB", "stdout": "64KiB", "output": "1MiB", "emits": 100}
FAULTS = {
    "loop": "TimeLimitError",
    "host-loop": "TimeLimitError",
    "sleep": "TimeLimitError",
    "bomb": "MemoryLimitError",
    "recurse": "GuestTrap",
    "divide": "GuestTrap",
    "touch": "GuestTrap",
    "abort": "GuestTrap",
    "exit": "GuestExit",
    "stdout": "OutputLimitError",
    "stderr": "OutputLimitError",
    "emit": "OutputLimitError",
    "emit-much": "OutputLimitError",
    "refuse": "GuestFailed",
}
HARMLESS = ("pointers", "log", "bomb-ignored")
"""What is refused to the guest, which lives on."""


def faulty(guests: Guests, **options: Any) -> dict[str, Any]:
    return {"wasm": str(guests("faults")), "limits": TIGHT, **options}


@pytest.mark.parametrize(("replicas", "policy"), [(1, "fresh"), (2, "reuse")])
def test_every_fault_fails_its_frame_alone(
    pipeline: Run, guests: Guests, tmp_path: Path, replicas: int, policy: str
) -> None:
    words = [word for fault in FAULTS for word in (f"before {fault}", fault)]
    ran = pipeline(
        lines(tmp_path, *words, *HARMLESS, "last"),
        faulty(guests, replicas=replicas, instance=policy, on_error={"stream": "errors"}),
    )
    stage = ran.summary.stage("f")
    assert ran.summary.error is None
    assert ran.payloads == [*(f"before {fault}" for fault in FAULTS), "log", "last"]
    assert [failure["error"] for failure in ran.failures] == list(FAULTS.values())
    assert [failure["sequence"] for failure in ran.failures] == list(range(1, 2 * len(FAULTS), 2))
    assert (stage.frames_in, stage.failed) == (len(words) + len(HARMLESS) + 1, len(FAULTS))
    assert sum(count for count, _ in stage.errors.values()) == len(FAULTS)
    assert all(failure["what"] and failure["where"] == "f" for failure in ran.failures)


@pytest.mark.parametrize("fault", [name for name, kind in FAULTS.items() if kind.endswith("LimitError")])
def test_a_limit_that_was_hit_comes_with_its_cure(guests: Guests, fault: str) -> None:
    limits = Limits(time=0.1, memory=24 << 20, stdout=1 << 16, output=1 << 20, emits=100)
    with weft.load(guests("faults"), limits=limits) as function:
        with pytest.raises((TimeLimitError, MemoryLimitError, OutputLimitError)) as raised:
            function(fault.encode())
        assert "limits." in raised.value.cure
        assert function(b"the next frame")[0].payload == b"the next frame"


def test_a_thousand_faults_in_a_row_leave_the_function_sound(guests: Guests) -> None:
    with weft.load(guests("faults")) as function:
        for number in range(1000):
            with pytest.raises(GuestTrap):
                function(b"divide")
            assert function(b"%d" % number)[0].payload == b"%d" % number


@pytest.mark.parametrize("replicas", [1, 2])
def test_skip_is_the_default_and_says_so_once(pipeline: Run, guests: Guests, tmp_path: Path, replicas: int) -> None:
    ran = pipeline(lines(tmp_path, "a", "touch", "b", "touch", "c"), faulty(guests, replicas=replicas))
    assert ran.payloads == ["a", "b", "c"]
    (words,) = ran.summary.stage("f").errors.values()
    assert (words[0], "memory" in words[1]) == (2, True)


def test_retry_tries_again_and_then_does_what_it_says(pipeline: Run, guests: Guests, tmp_path: Path) -> None:
    policy = {"retry": 2, "then": {"stream": "errors"}}
    ran = pipeline(lines(tmp_path, "a", "recurse", "b"), faulty(guests, on_error=policy))
    assert (ran.payloads, [failure["error"] for failure in ran.failures]) == (["a", "b"], ["GuestTrap"])
    assert (ran.summary.stage("f").retried, ran.summary.stage("f").failed) == (2, 1)


@pytest.mark.parametrize("replicas", [1, 2])
def test_fail_ends_the_pipeline_with_the_frame_the_reason_and_the_cure(
    pipeline: Run, guests: Guests, tmp_path: Path, replicas: int
) -> None:
    ran = pipeline(lines(tmp_path, "a", "b", "loop", "c"), faulty(guests, on_error="fail", replicas=replicas))
    error = ran.summary.error
    assert isinstance(error, PipelineError)
    assert isinstance(error.__cause__, TimeLimitError)
    assert "frame 2 of 'in' failed" in str(error)
    assert "cure:" in str(error)
    assert ran.payloads[:2] == ["a", "b"]
    assert ran.summary.ended == "error"


@pytest.mark.parametrize("replicas", [1, 3])
def test_fail_tells_one_error_however_many_frames_fail_on_the_way_out(
    called: Callable[..., Done], guests: Guests, tmp_path: Path, replicas: int
) -> None:
    words = ["good", *["divide", "touch", "recurse"] * 10]
    function = faulty(guests, on_error="fail", replicas=replicas)
    document = write_pipeline(tmp_path, lines(tmp_path, *words), function)
    done = called("run", document, "--log-format", "text", "--quiet").told(
        1, "error: f: frame ", "of 'in' failed: trapped"
    )
    assert [done.err.count(word) for word in ("error: f:", "cure:", "WARNING")] == [1, 1, 0], done.err
    events = [json.loads(line) for line in called("run", document, "--log-format", "json").told(1).err.splitlines()]
    assert [event.get("event") for event in events] == ["summary", "error"]
    stage = next(stage for stage in events[0]["stages"] if stage["name"] == "f")
    assert stage["failed"] == stage["in"] - 1 == sum(kind["count"] for kind in stage["errors"].values())


def test_skip_tells_one_frame_of_each_kind_whatever_replica_it_failed_on(
    called: Callable[..., Done], guests: Guests, tmp_path: Path
) -> None:
    words = [word for number in range(20) for word in ("divide", f"good {number}", "refuse")]
    document = write_pipeline(tmp_path, lines(tmp_path, *words), faulty(guests, replicas=3))
    done = called("run", document, "--log-format", "text", "--quiet").told(0)
    assert [done.err.count(word) for word in ("failed (others like it are counted)", "divided", "refuse")] == [2, 1, 0]


OPENS_GRAPHS = """
(module
  (import "wasi_ephemeral_nn" "load_by_name" (func $load (param i32 i32 i32) (result i32)))
  (import "weft" "frame_size" (func $size (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "net")
  (func (export "weft_handle") (result i32) (local $left i32) (local $said i32)
    (local.set $left (i32.const 10000))
    (if (i32.gt_u (call $size) (i32.const 5)) (then
      (loop $more
        (if (call $load (i32.const 16) (i32.const 3) (i32.const 0)) (then (local.set $said (i32.const 9))))
        (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (return (local.get $said))))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 3))))
"""


@pytest.mark.parametrize("policy", ["reuse", "fresh"])
def test_ten_thousand_graphs_are_too_many(pipeline: Run, data: Path, tmp_path: Path, policy: str) -> None:
    (tmp_path / "graphs.wat").write_text(OPENS_GRAPHS)
    models = {"net": str(data / "models" / "identity.onnx")}
    function = {"wasm": "graphs.wat", "models": models, "instance": policy, "on_error": {"stream": "errors"}}
    ran = pipeline(lines(tmp_path, "one", "graphs", "two"), function)
    assert len(ran.payloads) == 2
    (failure,) = ran.failures
    assert failure["error"] == "GuestFailed"
    assert "handles" in failure["what"] + failure["cure"]


def test_a_guest_that_turns_bad_after_a_thousand_frames_is_replaced(pipeline: Run, tmp_path: Path) -> None:
    (tmp_path / "late.wat").write_text("""
    (module
      (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (global $seen (mut i32) (i32.const 0))
      (func (export "weft_handle") (result i32)
        (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
        (if (i32.gt_u (global.get $seen) (i32.const 1000)) (then unreachable))
        (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))
    """)
    ran = pipeline(lines(tmp_path, *map(str, range(2500))), {"wasm": "late.wat"})
    stage = ran.summary.stage("f")
    assert (stage.frames_in, stage.frames_out, stage.failed) == (2500, 2498, 2)


def test_a_guest_that_cannot_start_ends_the_pipeline_before_any_output(
    pipeline: Run, guests: Guests, tmp_path: Path
) -> None:
    (tmp_path / "out.jsonl").write_text("of an earlier run\n")
    document = {"wasm": str(guests("start")), "config": {"init": "trap"}}
    with pytest.raises(ValueError, match="Expecting value"):  # the earlier output is still there
        pipeline(lines(tmp_path, "a"), document)
    assert (tmp_path / "out.jsonl").read_text() == "of an earlier run\n"


def test_a_frame_of_no_bytes_is_a_frame(guests: Guests) -> None:
    for name in ("echo", "faults", "command", "stdio"):
        with weft.load(guests(name)) as function:
            assert b"".join(frame.payload for frame in function(b"")) == b""


def test_a_function_called_from_many_threads_survives_its_own_faults(guests: Guests) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with weft.load(guests("faults"), limits=Limits(time=0.1)) as function, ThreadPoolExecutor(8) as pool:

        def call(number: int) -> bytes:
            word = (b"touch", b"recurse", b"exit", b"good")[number % 4]
            try:
                return function(word)[0].payload
            except GuestError as error:
                return type(error).__name__.encode()

        answers = list(pool.map(call, range(80)))
    assert answers == [b"GuestTrap", b"GuestTrap", b"GuestExit", b"good"] * 20
