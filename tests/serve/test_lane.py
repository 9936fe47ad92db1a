"""A model's queue and threads: parallel, bounded, batched, and let go of what nobody wants."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from tests.nn.tiny import onnx_identity
from tests.serve.gated import PATIENCE_S, GatedModel, GatedProvider
from weft.core.errors import BusyError, ModelError, TensorError, WeftError
from weft.core.model import ModelOptions
from weft.core.tensor import Tensor
from weft.serve.models import twin as twins
from weft.serve.models.counts import Counter
from weft.serve.models.job import Job, LaneSettings, RetiredError
from weft.serve.models.lane import Lane
from weft.serve.models.spec import ModelSpec

Answers = SimpleQueue[dict[str, Tensor] | WeftError]


class Rig:
    """A lane over a gated model, and the answers it gives."""

    def __init__(self, provider: GatedProvider, path: Path, settings: LaneSettings) -> None:
        self.provider = provider
        self.model: GatedModel = provider.load(path)
        self.counter = Counter()
        self.lane = Lane("net", self.model, settings, self.counter)
        self.answers: Answers = SimpleQueue()

    def ask(self, rows: int = 1, value: float = 0.0, timeout_s: float = 60.0) -> Job:
        tensor = Tensor(np.full((rows, 4), value, np.float32))
        job = self.lane.job({"x": tensor}, (), self.answers.put, timeout_s)
        self.lane.submit(job)
        return job

    def answer(self) -> dict[str, Tensor] | WeftError:
        return self.answers.get(timeout=PATIENCE_S)


@pytest.fixture
def rig(provider: GatedProvider, tiny: Callable[..., Path]):
    made: list[Rig] = []

    def make(**settings: float) -> Rig:
        made.append(Rig(provider, tiny(), LaneSettings(**{"instances": 1, "queue": 8, **settings})))
        return made[-1]

    yield make
    provider.gate.set()
    for one in made:
        one.lane.close()
        assert one.lane.join(PATIENCE_S)


def test_inferences_run_at_the_same_time(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(instances=3)
    provider.close_gate()
    for _ in range(3):
        net.ask()
    provider.wait_entered(3)
    assert (net.lane.running, net.lane.waiting) == (3, 0)
    provider.gate.set()
    assert all(isinstance(net.answer(), dict) for _ in range(3))


def test_a_full_queue_refuses_and_says_when_to_come_back(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(queue=2)
    provider.close_gate()
    net.ask()
    provider.wait_entered()
    net.ask()
    net.ask()
    with pytest.raises(BusyError) as caught:
        net.ask()
    assert caught.value.retry_after_s > 0
    assert net.counter.read().refused == 1
    provider.gate.set()
    assert all(isinstance(net.answer(), dict) for _ in range(3))


def test_without_a_queue_only_what_runs_is_taken(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(queue=0)
    provider.close_gate()
    net.ask()
    provider.wait_entered()
    with pytest.raises(BusyError):
        net.ask()
    provider.gate.set()
    net.answer()


def test_what_is_cancelled_before_it_began_never_runs(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig()
    provider.close_gate()
    running = net.ask()
    provider.wait_entered()
    waiting = net.ask(rows=2)
    assert net.lane.cancel(waiting)
    assert not net.lane.cancel(running)
    provider.gate.set()
    assert isinstance(net.answer(), dict)
    net.ask(rows=3)
    net.answer()
    assert [given["x"] for given in net.model.given] == [(1, 4), (3, 4)]
    assert (net.counter.read().gone, net.counter.read().success.count) == (2, 1)


def test_what_waited_too_long_is_not_run(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig()
    provider.close_gate()
    net.ask()
    provider.wait_entered()
    net.ask(timeout_s=1e-6)
    provider.gate.set()
    outcomes = [net.answer(), net.answer()]
    assert sum(isinstance(outcome, BusyError) for outcome in outcomes) == 1
    assert net.counter.read().overdue == 1
    assert len(net.model.given) == 1


def test_what_waits_is_joined_to_a_batch_and_parted_again(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(max_batch=8)
    provider.close_gate()
    net.ask()
    provider.wait_entered()
    for value in (1.0, 2.0, 3.0):
        net.ask(rows=2, value=value)
    provider.gate.set()
    answers = [net.answer() for _ in range(4)]
    assert [given["x"] for given in net.model.given] == [(1, 4), (6, 4)]
    for value, answer in zip((1.0, 2.0, 3.0), answers[1:], strict=True):
        assert isinstance(answer, dict)
        assert np.array_equal(answer["y"].array, np.full((2, 4), value, np.float32))
    counts = net.counter.read()
    assert (counts.executions, counts.inferences, sorted(counts.batches)) == (2, 7, [1, 6])


def test_a_batch_is_never_larger_than_it_may(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(max_batch=4)
    provider.close_gate()
    net.ask()
    provider.wait_entered()
    for _ in range(3):
        net.ask(rows=2)
    provider.gate.set()
    for _ in range(4):
        net.answer()
    assert [given["x"][0] for given in net.model.given] == [1, 4, 2]


def test_a_window_waits_for_others(rig: Callable[..., Rig]):
    net = rig(max_batch=2, batch_window_s=PATIENCE_S)
    net.ask(value=1.0)
    net.ask(value=2.0)  # fills the batch: nobody waits for the end of the window
    net.answer()
    net.answer()
    assert [given["x"][0] for given in net.model.given] == [2]


def test_what_does_not_fit_into_an_open_batch_goes_to_another_thread(rig: Callable[..., Rig]):
    net = rig(instances=2, max_batch=4, batch_window_s=0.05)
    net.ask(rows=3)
    net.ask(rows=3)
    net.answer()
    net.answer()
    assert [given["x"][0] for given in net.model.given] == [3, 3]


def test_one_bad_request_does_not_fail_its_batch(tmp_path: Path, provider: GatedProvider):
    model = _Fussy(provider.load(_path(tmp_path)))
    lane = Lane("net", model, LaneSettings(1, 8, max_batch=8), Counter())
    answers: Answers = SimpleQueue()
    provider.close_gate()
    for value in (0.0, 1.0, -1.0, 2.0):
        lane.submit(lane.job({"x": Tensor(np.full((1, 4), value, np.float32))}, (), answers.put, 60))
        if value == 0.0:
            provider.wait_entered()
    provider.gate.set()
    outcomes = [answers.get(timeout=PATIENCE_S) for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [dict, dict, ModelError, dict]
    lane.close()
    assert lane.join(PATIENCE_S)


def test_whatever_an_engine_raises_its_caller_is_told(rig: Callable[..., Rig]):
    net = rig()
    net.model.infer = _broken  # type: ignore[method-assign]
    net.ask()
    outcome = net.answer()
    assert isinstance(outcome, ModelError)
    assert net.counter.read().fail.count == 1


def test_a_closed_lane_finishes_what_it_took_and_takes_nothing_more(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(queue=32)
    provider.close_gate()
    for _ in range(20):
        net.ask()
    net.lane.close()
    with pytest.raises(RetiredError):
        net.ask()
    provider.gate.set()
    assert net.lane.join(PATIENCE_S)
    assert all(isinstance(net.answer(), dict) for _ in range(20))


def test_a_quick_model_runs_where_it_was_asked(rig: Callable[..., Rig]):
    net = rig(quick=True)
    job = net.lane.job({"x": Tensor(np.ones((1, 4), np.float32))}, (), net.answers.put, 60)
    assert net.lane.run_here(job)
    assert isinstance(net.answers.get_nowait(), dict), "it is there when the call returns"
    assert net.counter.read().success.count == 1
    net.lane.close()
    with pytest.raises(RetiredError):
        net.lane.run_here(job)


def test_a_quick_model_at_work_is_waited_for_in_the_queue(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(quick=True)
    provider.close_gate()
    net.ask()
    provider.wait_entered()
    job = net.lane.job({"x": Tensor(np.ones((1, 4), np.float32))}, (), net.answers.put, 60)
    assert not net.lane.run_here(job)
    net.lane.submit(job)
    provider.gate.set()
    assert all(isinstance(net.answer(), dict) for _ in range(2))


def test_a_quick_model_that_was_slow_is_not_run_so_for_a_while(rig: Callable[..., Rig]):
    net = rig(quick=True)
    quick = net.model.infer

    def slow(inputs, outputs=None):
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass
        return quick(inputs, outputs)

    net.model.infer = slow  # type: ignore[method-assign]
    job = net.lane.job({"x": Tensor(np.ones((1, 4), np.float32))}, (), net.answers.put, 60)
    assert net.lane.run_here(job)
    net.model.infer = quick  # type: ignore[method-assign]
    assert [net.lane.run_here(job) for _ in range(1001)].index(True) == 1000


def test_wrong_inputs_are_refused_before_they_queue(rig: Callable[..., Rig]):
    net = rig()
    with pytest.raises(TensorError, match="no input"):
        net.lane.job({"z": Tensor(np.ones((1, 4), np.float32))}, (), print, 1)
    with pytest.raises(TensorError, match="no output"):
        net.lane.job({"x": Tensor(np.ones((1, 4), np.float32))}, ("z",), print, 1)


def test_many_threads_ask_and_everybody_gets_their_own(rig: Callable[..., Rig]):
    net = rig(instances=4, queue=1000, max_batch=16)
    wrong: list[object] = []

    def client(number: int) -> None:
        mine: Answers = SimpleQueue()
        for turn in range(50):
            value = float(number * 1000 + turn)
            rows = 1 + turn % 3
            tensor = Tensor(np.full((rows, 4), value, np.float32))
            net.lane.submit(net.lane.job({"x": tensor}, ("y",), mine.put, 60))
            got = mine.get(timeout=PATIENCE_S)
            if not isinstance(got, dict) or not np.array_equal(got["y"].array, tensor.array):
                wrong.append(got)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert net.counter.read().success.count == 400
    assert (net.lane.running, net.lane.waiting) == (0, 0)


class _Fussy(GatedModel):
    """Fails on any batch that holds a negative number."""

    def __init__(self, model: GatedModel) -> None:
        self._inner = model

    @property
    def info(self):
        return self._inner.info

    def infer(self, inputs, outputs=None):
        found = self._inner.infer(inputs, outputs)
        if (inputs["x"].array < 0).any():
            raise ModelError("negative")
        return found


def _path(folder: Path) -> Path:
    path = folder / "fussy.onnx"
    path.write_bytes(onnx_identity("f32", ["rows", 4]))
    return path


def _broken(inputs, outputs=None):
    raise KeyError("foreign")


def test_requests_that_fill_the_cores_run_with_one_thread_each(provider: GatedProvider, tiny: Callable[..., Path]):
    model, twin = (provider.load(tiny(), ModelOptions(threads=count)) for count in (2, 1))
    lane, answers = Lane("net", model, LaneSettings(2, 8), Counter(), twin), SimpleQueue[Any]()

    def ask() -> None:
        lane.submit(lane.job({"x": Tensor(np.zeros((1, 4), np.float32))}, (), answers.put, 60.0))

    provider.close_gate()
    ask()
    provider.wait_entered()
    assert (len(model.given), len(twin.given)) == (1, 0)
    ask()
    provider.wait_entered()
    assert (len(model.given), len(twin.given)) == (1, 1)
    provider.gate.set()
    assert all(isinstance(answers.get(timeout=PATIENCE_S), dict) for _ in range(2))
    while lane.running:
        pass
    ask()
    assert isinstance(answers.get(timeout=PATIENCE_S), dict)
    assert (len(model.given), len(twin.given)) == (2, 1)
    lane.close()
    assert lane.join(PATIENCE_S)


@pytest.mark.parametrize(
    ("spec", "budget", "wanted"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"twin_below": 0}, False, False),
        ({"instances": 1}, False, False),
        ({"instances": 4}, False, True),
        ({"options": ModelOptions(threads=2)}, False, False),
        ({"options": ModelOptions(engine="openvino")}, False, False),
    ],
)
def test_a_twin_where_it_does_good(
    spec: dict[str, Any],
    budget: bool,
    wanted: bool,
    provider: GatedProvider,
    tiny: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(twins, "usable_cores", lambda: 2)
    monkeypatch.setattr(twins, "LEAST_BYTES", 0)
    made = ModelSpec(tiny(), **spec)
    twin = twins.twin_of(provider.load(made.path, made.options), made, provider, budget=budget)
    assert (twin is not None) == wanted
    assert twin is None or (twin.info.threads, twin.info.engine) == (1, "onnxruntime")


def test_a_file_that_changes_meanwhile_is_not_served_half(
    provider: GatedProvider, tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(twins, "usable_cores", lambda: 2)
    monkeypatch.setattr(twins, "LEAST_BYTES", 0)
    path = tiny()
    model = provider.load(path)
    path.write_bytes(onnx_identity("f32", ["rows", 4], op="Relu"))
    with pytest.raises(ModelError, match="changed while it was loaded"):
        twins.twin_of(model, ModelSpec(path), provider, budget=False)


def test_what_comes_joins_an_open_window_though_another_thread_is_idle(rig: Callable[..., Rig]):
    net = rig(instances=2, max_batch=3, batch_window_s=PATIENCE_S)
    for value in range(3):
        net.ask(value=float(value))
    assert all(isinstance(net.answer(), dict) for _ in range(3))
    assert net.counter.read().executions == 1


def test_what_does_not_fit_a_window_is_begun_by_another_thread(rig: Callable[..., Rig], provider: GatedProvider):
    net = rig(instances=3, max_batch=4, batch_window_s=PATIENCE_S)
    provider.close_gate()
    for rows in (3, 3, 4):  # none joins another; the third fills a batch by itself
        net.ask(rows=rows)
    provider.wait_entered(3)
    assert (net.lane.running, net.lane.waiting) == (3, 0)
    provider.gate.set()


def test_short_windows_beside_idle_threads_lose_nobody(rig: Callable[..., Rig]):
    """A window that ended while another thread took what it had heard of used to wait for the next request."""
    net = rig(instances=3, queue=100, max_batch=8, batch_window_s=0.0003)
    chance = random.Random(1)
    for turn in range(150):
        for _ in range(1 + turn % 8):
            net.ask()
            time.sleep(chance.random() * 0.0008)  # as the next one comes: soon, or after the window
        for _ in range(1 + turn % 8):
            assert isinstance(net.answer(), dict)
