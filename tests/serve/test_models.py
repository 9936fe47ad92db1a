"""Names, versions, states, swaps and memory of served models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.nn.tiny import onnx_identity
from tests.serve.gated import PATIENCE_S, GatedProvider
from weft.core.errors import (
    BusyError,
    DeniedError,
    ModelError,
    NotFoundError,
    OverdueError,
    UnavailableError,
    UsageError,
)
from weft.core.tensor import Tensor
from weft.nn.service import ModelService
from weft.serve.caller import ANYONE, ITSELF, Caller
from weft.serve.models.request import InferRequest, Wanted
from weft.serve.models.service import Models
from weft.serve.models.spec import ModelSpec, parse_name
from weft.serve.models.version import ASIDE

ONES = Tensor(np.ones((1, 4), np.float32))


@pytest.fixture
def models(provider: GatedProvider) -> Iterator[Models]:
    made = Models(provider)
    yield made
    provider.gate.set()
    made.close(PATIENCE_S)


def ask(name: str, version: str = "", *, caller: Caller = ANYONE, timeout_s: float | None = None) -> InferRequest:
    return InferRequest(name, caller, {"x": ONES}, version, timeout_s=timeout_s)


def started(models: Models) -> Models:
    models.start().join(60)
    return models


def test_a_model_is_loading_and_then_ready(models: Models, tiny: Callable[..., Path], provider: GatedProvider):
    version = models.add("net", ModelSpec(tiny()))
    assert (version.state, models.ready) == ("UNAVAILABLE", False)
    provider.close_gate()
    loading = models.start()
    provider.wait_entered()  # it is warming up
    assert (version.state, version.ready, models.ready) == ("LOADING", False, False)
    with pytest.raises(BusyError, match="is loading"):
        models.infer_now(ask("net"))
    provider.gate.set()
    loading.join(60)
    assert (version.state, version.ready, models.ready) == ("READY", True, True)
    assert models.infer_now(ask("net")).outputs["y"].array.tolist() == [[1.0] * 4]


def test_a_model_that_cannot_be_loaded_says_why(models: Models, tmp_path: Path, tiny: Callable[..., Path]):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model at all")
    models.add("bad", ModelSpec(bad))
    models.add("good", ModelSpec(tiny()))
    started(models)
    assert not models.ready
    assert models.version("good").ready
    assert "text file" in models.version("bad").reason
    with pytest.raises(UnavailableError, match="text file"):
        models.infer_now(ask("bad"))
    bad.write_bytes(onnx_identity("f32", ["rows", 4]))
    models.load("bad", caller=ITSELF)
    assert models.ready


def test_what_is_not_there_is_not_found(models: Models, tiny: Callable[..., Path]):
    models.add("squeezenet", ModelSpec(tiny()))
    with pytest.raises(NotFoundError, match="no model 'squeezenett'") as caught:
        models.infer_now(ask("squeezenett"))
    assert "squeezenet" in caught.value.cure
    with pytest.raises(NotFoundError, match="no version '7'"):
        models.infer_now(ask("squeezenet", "7"))


def test_a_request_without_a_version_goes_to_the_greatest_that_is_ready(models: Models, tiny: Callable[..., Path]):
    for number in ("2", "10", "1"):
        models.add("net", ModelSpec(tiny()), number)
    started(models)
    assert models.infer_now(ask("net")).version == "10"
    assert models.infer_now(ask("net", "1")).version == "1"
    models.unload("net", "10", caller=ITSELF)
    assert models.infer_now(ask("net")).version == "2"
    with pytest.raises(UnavailableError, match="unloaded"):
        models.infer_now(ask("net", "10"))
    assert models.ready, "what was unloaded on purpose is not missed"


def test_many_requests_wake_a_model_once(provider: GatedProvider, tiny: Callable[..., Path]):
    first, second = tiny(name="a"), tiny(name="b", op="Neg")
    models = Models(provider, memory=first.stat().st_size)
    models.add("a", ModelSpec(first))
    models.add("b", ModelSpec(second))
    started(models)
    assert models.version("a").aside

    async def main() -> None:
        impatient = asyncio.create_task(models.infer(ask("a", timeout_s=0.05)))
        others = [asyncio.create_task(models.infer(ask("a"))) for _ in range(5)]
        provider.close_gate()  # it warms up there
        with pytest.raises((OverdueError, BusyError)):
            await impatient
        provider.gate.set()
        for answer in await asyncio.gather(*others):
            assert answer.outputs["y"].array[0, 0] == 1

    asyncio.run(main())
    assert models.version("a").counter.read().loads == 2
    models.close(PATIENCE_S)


def test_one_file_is_loaded_once_also_for_pipelines(tiny: Callable[..., Path]):
    provider = ModelService()
    held = provider.load(tiny())
    models = Models(provider)
    models.add("a", ModelSpec(tiny()))
    models.add("b", ModelSpec(tiny()))
    started(models)
    assert provider.stats().loads == 1
    models.unload("a", caller=ITSELF)
    models.unload("b", caller=ITSELF)
    assert held.infer({"x": ONES})
    assert provider.load(tiny()) is held
    models.close(PATIENCE_S)


def test_a_model_nobody_uses_any_more_is_let_go(tiny: Callable[..., Path]):
    provider = ModelService()
    models = Models(provider)
    models.add("a", ModelSpec(tiny()))
    started(models)
    models.unload("a", caller=ITSELF)
    for thread in threading.enumerate():
        if thread.name == "weft:retire":
            thread.join(PATIENCE_S)
    assert provider.stats().kept == 0


def test_a_model_swaps_under_load_without_a_failed_request(models: Models, tmp_path: Path):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_identity("f32", ["rows", 4]))
    models.add("net", ModelSpec(path, instances=2))
    started(models)
    stop, failures, answers = threading.Event(), [], []

    def client() -> None:
        while not stop.is_set():
            try:
                answers.append(float(models.infer_now(ask("net")).outputs["y"].array[0, 0]))
            except Exception as error:  # noqa: BLE001 - none may fail, whatever it is
                failures.append(error)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for op in ("Neg", "Identity", "Neg", "Identity", "Neg"):
        new = tmp_path / "new.onnx"
        new.write_bytes(onnx_identity("f32", ["rows", 4], op=op))
        new.replace(path)
        models.load("net", caller=ITSELF)
        seen = len(answers)
        while len(answers) < seen + 20 and not failures:
            stop.wait(0.001)
        assert answers[-1] == (-1.0 if op == "Neg" else 1.0)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not failures
    assert set(answers) == {1.0, -1.0}
    assert models.version("net").counter.read().loads == 6


def test_a_load_that_fails_leaves_what_is_served(models: Models, tmp_path: Path):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_identity("f32", ["rows", 4]))
    models.add("net", ModelSpec(path))
    started(models)
    path.write_bytes(b"broken")
    with pytest.raises(ModelError):
        models.load("net", caller=ITSELF)
    assert models.ready
    assert models.infer_now(ask("net")).outputs


def test_a_load_of_what_has_not_changed_changes_nothing(models: Models, tiny: Callable[..., Path]):
    models.add("net", ModelSpec(tiny()))
    started(models)
    lane = models.version("net").lane
    models.load("net", caller=ITSELF)
    assert models.version("net").lane is lane


def test_unloading_finishes_what_was_taken(models: Models, tiny: Callable[..., Path], provider: GatedProvider):
    models.add("net", ModelSpec(tiny(), instances=1))
    started(models)
    provider.close_gate()
    got: list[object] = []
    asking = [threading.Thread(target=lambda: got.append(models.infer_now(ask("net")))) for _ in range(3)]
    for thread in asking:
        thread.start()
    provider.wait_entered()
    lane = models.version("net").lane
    assert lane is not None
    while lane.waiting + lane.running < 3:
        threading.Event().wait(0.001)
    models.unload("net", caller=ITSELF)
    with pytest.raises(UnavailableError):
        models.infer_now(ask("net"))
    provider.gate.set()
    for thread in asking:
        thread.join(PATIENCE_S)
    assert len(got) == 3


# --- memory --------------------------------------------------------------------------------


def test_the_idle_model_used_longest_ago_is_put_aside_and_comes_back(
    provider: GatedProvider, tiny: Callable[..., Path]
):
    paths = [tiny(name=name, op=op) for name, op in (("a", "Identity"), ("b", "Neg"), ("c", "Abs"))]
    size = max(path.stat().st_size for path in paths)
    models = Models(provider, memory=2 * size)
    for path in paths:
        models.add(path.stem, ModelSpec(path))
    started(models)
    states = {one.name: (one.state, one.lane is None, one.reason) for one in models.versions()}
    assert states == {"a": ("READY", True, ASIDE), "b": ("READY", False, ""), "c": ("READY", False, "")}
    assert models.ready
    assert models.infer_now(ask("a")).outputs["y"].array[0, 0] == 1
    assert models.version("b").lane is None, "b was used longest ago"
    assert models.version("b").counter.read().evictions == 1
    assert models.memory.held <= 2 * size
    models.close(PATIENCE_S)


def test_a_model_at_work_is_not_put_aside(provider: GatedProvider, tiny: Callable[..., Path]):
    first, second = tiny(name="a"), tiny(name="b", op="Neg")
    models = Models(provider, memory=first.stat().st_size)
    models.add("a", ModelSpec(first))
    started(models)
    models.add("b", ModelSpec(second))
    provider.close_gate()
    thread = threading.Thread(target=models.infer_now, args=(ask("a"),))
    thread.start()
    provider.wait_entered()
    with pytest.raises(BusyError, match="models at work"):
        models.load("b", caller=ITSELF)
    provider.gate.set()
    thread.join(PATIENCE_S)
    models.load("b", caller=ITSELF)
    assert models.version("a").aside
    models.close(PATIENCE_S)


def test_a_model_over_the_whole_budget_is_refused(provider: GatedProvider, tiny: Callable[..., Path]):
    models = Models(provider, memory=10)
    models.add("net", ModelSpec(tiny()))
    started(models)
    assert "do not fit" in models.version("net").reason
    with pytest.raises(UnavailableError, match="do not fit"):
        models.load("net", caller=ITSELF)


# --- waiting, rights, names ----------------------------------------------------------------


def test_a_coroutine_that_is_cancelled_takes_its_request_back(
    models: Models, tiny: Callable[..., Path], provider: GatedProvider
):
    models.add("net", ModelSpec(tiny(), instances=1))
    started(models)
    provider.close_gate()
    lane = models.version("net").lane
    assert lane is not None

    async def main() -> None:
        running = asyncio.create_task(models.infer(ask("net")))
        await asyncio.to_thread(provider.wait_entered)
        waiting = asyncio.create_task(models.infer(ask("net")))
        while not lane.waiting:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert lane.waiting == 0
        provider.gate.set()
        assert (await running).outputs

    asyncio.run(main())
    assert models.version("net").counter.read().gone == 1


@pytest.mark.parametrize("how", ["thread", "loop"])
def test_time_runs_out_waiting_and_running(
    models: Models, tiny: Callable[..., Path], provider: GatedProvider, how: str
):
    models.add("net", ModelSpec(tiny(), instances=1))
    started(models)
    provider.close_gate()

    def run(request: InferRequest) -> object:
        return models.infer_now(request) if how == "thread" else asyncio.run(models.infer(request))

    with pytest.raises(OverdueError, match="took longer"):
        run(ask("net", timeout_s=0.2))  # stands at the gate
    with pytest.raises(BusyError, match="waited"):
        run(ask("net", timeout_s=0.05))
    provider.gate.set()
    assert models.version("net").counter.read().overdue == 2


def test_rights_are_asked_before_anything_else(models: Models):
    class Nothing:
        def allows(self, action: str, kind: str, name: str) -> bool:
            return False

    nobody = Caller("mallory", Nothing())
    for attempt in (
        lambda: models.infer_now(ask("secret", caller=nobody)),
        lambda: models.load("secret", caller=nobody),
        lambda: models.unload("secret", caller=nobody),
    ):
        with pytest.raises(DeniedError, match="mallory"):
            attempt()


def test_a_served_model_is_a_model_for_functions(models: Models, tiny: Callable[..., Path]):
    models.add("net", ModelSpec(tiny()))
    started(models)
    model = models.model("net")
    assert model.info.inputs[0].name == "x"
    assert model.infer({"x": ONES}, ["y"])["y"].array.tolist() == [[1.0] * 4]
    assert model.infer({"x": ONES}, []) == {}
    with pytest.raises(NotFoundError):
        models.model("other")


def test_classes_by_name(models: Models, tiny: Callable[..., Path], tmp_path: Path):
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    models.add("net", ModelSpec(tiny(), labels=labels))
    started(models)
    given = Tensor(np.array([[0.5, 2.0, -1.0, 2.0], [3.0, 0.0, 0.0, 0.0]], np.float32))
    request = InferRequest("net", ANYONE, {"x": given}, outputs=(Wanted("y", 3),))
    found = models.infer_now(request).outputs["y"]
    assert found.array.tolist() == [
        [b"2.000000:1:dog", b"2.000000:3", b"0.500000:0:cat"],
        [b"3.000000:0:cat", b"0.000000:1:dog", b"0.000000:2"],
    ]


def test_batches_only_where_the_model_takes_them(models: Models, tiny: Callable[..., Path]):
    models.add("open", ModelSpec(tiny(name="open"), max_batch=8))
    models.add("fixed", ModelSpec(tiny(dims=[1, 4], name="fixed"), max_batch=8))
    started(models)
    lanes = [one.lane for one in models.versions()]
    assert [lane.settings.max_batch for lane in lanes if lane] == [8, 1]


def test_only_models_whose_inputs_have_one_size_may_be_quick(models: Models, tiny: Callable[..., Path]):
    models.add("open", ModelSpec(tiny(name="open")))
    models.add("cold", ModelSpec(tiny(dims=[1, 4], name="cold"), warm_up=False))
    started(models)
    assert [one.lane.settings.quick for one in models.versions() if one.lane] == [False, False]


@pytest.mark.parametrize("text", ["", "a/b/c", "net/0", "net/x", "-net", "a" * 129, "net/01", "../x", "a b"])
def test_names_that_cannot_be_are_refused(text: str):
    with pytest.raises(UsageError):
        parse_name(text)


def test_names_and_versions():
    assert parse_name("net") == ("net", "1")
    assert parse_name("mobilenet_v2.7-q/12") == ("mobilenet_v2.7-q", "12")
