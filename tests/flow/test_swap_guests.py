"""Hot swap with real guests: C compiled twice, as a reactor, a stdio program and a command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.actors import PATIENCE_S, Endless
from tests.flow.test_swap import Awaited
from tests.guests.build import GUESTS, compile_guest, shared_folder
from weft.core.errors import GuestError, InputError, LimitError, UsageError
from weft.core.limits import Limits
from weft.flow.executor import Run
from weft.flow.functions import FunctionOptions, load_function
from weft.flow.graph import FunctionNode, Graph, SinkNode, SourceNode
from weft.flow.pipeline import Pipeline

REACTOR = """
#include "weft.h"
WEFT_EXPORT(weft_init) int32_t weft_init(void) { return @ == 13; }
WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    if (@ == 7) for (;;) {}
    return weft_emit("", 0, "text/plain", 10, "@", sizeof "@" - 1);
}
"""
COMMAND = """
#include <stdio.h>
int main(void) { return fputs("@", stdout) < 0; }
"""
STDIO = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "weft.h"
WEFT_EXPORT(weft_stdio) void weft_stdio(void) {}
int main(void) {
    static const char header[] = "{\\"media_type\\": \\"text/plain\\"}", version[] = "@";
    uint32_t sizes[2], answer[2] = {sizeof header - 1, sizeof version - 1};
    while (fread(sizes, sizeof sizes, 1, stdin) == 1) {
        char *record = malloc(sizes[0] + sizes[1]);
        if (!record || fread(record, 1, sizes[0] + sizes[1], stdin) != sizes[0] + sizes[1]) return 1;
        free(record);
        fwrite(answer, sizeof answer, 1, stdout);
        fwrite(header, 1, answer[0], stdout);
        fwrite(version, 1, answer[1], stdout);
        fflush(stdout);
    }
    return 0;
}
"""
PROGRAMS = {"reactor": REACTOR, "command": COMMAND, "stdio": STDIO}

Version = Callable[[str, int], Path]


@pytest.fixture
def version(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """``version("reactor", 2)`` is the module of a guest whose every answer is its version."""

    def build(abi: str, number: int) -> Path:
        source = tmp_path / f"{abi}{number}.c"
        source.write_text(PROGRAMS[abi].replace("@", str(number)))
        return compile_guest(source, shared_folder(tmp_path_factory))

    return build


def opener(module: Path, limits: Limits = Limits()) -> Callable[[], object]:
    """What opens a module's function: loaded once, an instance per replica."""
    loaded: list[object] = []

    def make() -> object:
        if not loaded:
            loaded.append(load_function(module, FunctionOptions(name="f", limits=limits)))
        return loaded[0].instance()

    return make


def run(module: Path, out: Awaited, belt: Endless, replicas: int = 1, limits: Limits = Limits()) -> Run:
    function = FunctionNode(name="f", open=opener(module, limits), inputs=("in",), replicas=replicas)
    source = SourceNode(name="in", open=lambda: belt)
    return Run(Graph((source,), (function,), (SinkNode(name="out", open=out.open, inputs=("f",)),))).start()


@pytest.mark.parametrize(
    ("abi", "replicas"), [("reactor", 1), ("reactor", 3), ("stdio", 1), ("stdio", 3), ("command", 2)]
)
def test_versions_follow_one_another_and_no_frame_is_lost(version: Version, abi: str, replicas: int) -> None:
    modules = [version(abi, 1), version(abi, 2)]
    belt, out = Endless(), Awaited()
    with run(modules[0], out, belt, replicas) as running:
        out.until(20)
        for number in range(1, 6):
            swap = running.swap("f", opener(modules[number % 2]))
            assert swap.wait(PATIENCE_S)
            assert swap.check().digest == running.snapshot().stage("f").digest
            out.until(len(out.frames) + 20)
        running.stop()
        assert running.wait(PATIENCE_S)
    summary = running.snapshot().check()
    function = summary.stage("f")
    assert out.sequences == list(range(summary.stage("in").frames_out))
    assert (function.failed, function.abandoned, function.swaps) == (0, 0, 5)
    changes = [after for before, after in zip(out.versions, out.versions[1:], strict=False) if before != after]
    assert (out.versions[0], changes) == (1, [2, 1, 2, 1, 2])


def test_a_module_that_is_cut_short_or_whose_init_fails_is_refused(version: Version, tmp_path: Path) -> None:
    cut = tmp_path / "cut.wasm"
    cut.write_bytes(version("reactor", 2).read_bytes()[:200])
    belt, out = Endless(), Awaited()
    with run(version("reactor", 1), out, belt, 2) as running:
        for module, error in ((cut, InputError), (version("reactor", 13), GuestError)):
            swap = running.swap("f", opener(module))
            assert swap.wait(PATIENCE_S)
            assert swap.state == "refused"
            with pytest.raises(error):
                swap.check()
        out.until(len(out.frames) + 20)
        running.stop()
        assert running.wait(PATIENCE_S)
    summary = running.snapshot().check()
    assert set(out.versions) == {1}
    assert (summary.stage("f").failed, summary.stage("f").swaps) == (0, 0)
    assert out.sequences == list(range(summary.stage("in").frames_out))


def test_a_version_that_hangs_is_relieved_when_its_frame_is_given_up(version: Version) -> None:
    belt, out = Endless(), Awaited()
    with run(version("reactor", 7), out, belt, limits=Limits(time=0.2)) as running:
        swap = running.swap("f", opener(version("reactor", 2)))
        assert swap.wait(PATIENCE_S)
        out.until(20)
        running.stop()
        assert running.wait(PATIENCE_S)
    stage = running.snapshot().check().stage("f")
    assert set(out.versions) == {2}
    assert out.sequences == list(range(swap.frame or 0, swap.frame + len(out.frames)))
    assert stage.failed == swap.frame
    assert set(stage.errors) <= {LimitError.__name__, "TimeLimitError"}


def test_what_a_function_keeps_survives_its_swap(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    counter = compile_guest(GUESTS / "counter.c", shared_folder(tmp_path_factory))
    path = tmp_path / "pipeline.yaml"
    path.write_text(f"""
sources: {{in: {{type: pattern, size: 16x16}}}}
functions: {{count: {{wasm: {counter}, inputs: [in], replicas: 2, grants: {{state: {{path: state.db}}}}}}}}
sinks: {{out: {{type: jsonl, path: out.jsonl, inputs: [count]}}}}
""")
    with Pipeline.load(path).start() as running:
        assert running.wait_ready(PATIENCE_S)
        for _ in range(5):
            swap = running.swap("count", Pipeline.load(path).function("count").open)
            assert swap.wait(PATIENCE_S)
            swap.check()
        running.stop()
        assert running.wait(PATIENCE_S)
    stage = running.snapshot().check().stage("count")
    counted = [int(json.loads(line)["payload"]) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(counted) == list(range(1, stage.frames_in + 1))
    assert (stage.failed, stage.swaps, stage.counters["state_commits"]) == (0, 5, stage.frames_in)


def test_a_pipeline_knows_its_functions(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text("sources: {in: {type: pattern, frames: 1}}\nsinks: {out: {type: console, inputs: [in]}}\n")
    with pytest.raises(UsageError, match="no function 'f'"):
        Pipeline.load(path).function("f")
