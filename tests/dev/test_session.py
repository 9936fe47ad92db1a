"""A pipeline that goes on while its files are worked on."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from tests.dev.conftest import PATTERN, PIPELINE, Developed, says
from tests.sdk.building import tool
from weft.core.errors import DocumentError, GuestError, InputError, ModuleError, NotFoundError, UsageError
from weft.dev import events
from weft.dev.session import Session
from weft.dev.target import target_of
from weft.toolchains import language
from weft.toolchains.scaffold import create


def changes(said: list[str]) -> list[str]:
    """What was said, one after the other."""
    return said[:1] + [after for before, after in pairwise(said) if before != after]


def test_a_module_that_is_saved_is_swapped_and_the_summary_counts_it(developed: Developed):
    developed.start().until(events.Waiting)
    developed.until_said("one")
    for text in ("two", "three"):
        developed.write("says.wat", says(text))
        swapped = developed.until(events.Swapped)
        assert (swapped.function, swapped.frame > 0) == ("says", True)
        developed.until(events.Waiting)
    developed.finish()
    stage = developed.summary.check().stage("says")
    assert (developed.summary.ended, stage.swaps, stage.failed, stage.replicas) == ("SIGINT", 2, 0, 2)
    assert changes(developed.said) == ["one", "two", "three"]
    assert [event.files for event in developed.since(events.Changed)] == [("says.wat",), ("says.wat",)]
    times = zip(developed.since(events.Ready), developed.since(events.Swapped), strict=True)
    assert all(0 < ready.seconds <= swapped.seconds for ready, swapped in times)


def test_a_touch_that_changes_nothing_is_a_swap_all_the_same(developed: Developed):
    developed.start().until(events.Waiting)
    os.utime(developed.folder / "says.wat")
    developed.until(events.Swapped)


@pytest.mark.parametrize(
    ("text", "error"),
    [("(module", ModuleError), (says("bad", init=1), GuestError), (None, NotFoundError)],
    ids=["no module", "init fails", "removed"],
)
def test_a_module_that_does_not_work_is_told_and_the_old_one_goes_on(
    developed: Developed, text: str | None, error: type[Exception]
):
    developed.start().until(events.Waiting)
    developed.until_said("one")
    if text is None:
        (developed.folder / "says.wat").unlink()
    else:
        developed.write("says.wat", text)
    refused = developed.until(events.Refused)
    assert (refused.subject, type(refused.error)) == ("says", error) or isinstance(refused.error, error)
    assert developed.until(events.Waiting).running
    developed.write("says.wat", says("two"))
    developed.until(events.Swapped)
    developed.finish()
    assert developed.summary.check().stage("says").failed == 0
    assert changes(developed.said) == ["one", "two"]


def test_a_file_that_a_config_value_stands_for_is_read_anew(developed: Developed):
    developed.write("labels.txt", "cat\n")
    developed.write("pipeline.yaml", PIPELINE.format(source=PATTERN, more=", config: {labels: '@labels.txt'}"))
    developed.start().until(events.Waiting)
    developed.write("labels.txt", "dog\n")
    developed.until(events.Swapped)
    assert developed.since(events.Changed)[-1].files == ("labels.txt",)


def test_what_a_document_says_of_a_function_is_swapped_and_the_rest_begins_anew(developed: Developed):
    developed.write("other.wat", says("other"))
    developed.start().until(events.Waiting)
    document = PIPELINE.format(source=PATTERN, more="")
    developed.write("pipeline.yaml", document.replace("says.wat", "other.wat"))
    developed.until(events.Swapped)
    developed.write("other.wat", says("again"))
    developed.until(events.Swapped)
    assert developed.since(events.Restarting) == []
    developed.write("pipeline.yaml", document.replace("fps: 100", "fps: 50"))
    developed.until(events.Restarting)
    developed.until(events.Started)
    developed.write("says.wat", says("anew"))
    developed.until(events.Swapped)
    developed.finish()
    assert developed.summary.check().stage("says").swaps == 1
    assert developed.said[-1] == "anew"


@pytest.mark.parametrize("wrong", ["fsp: 100}", "fps: 100}}}}", "fps: 100, frames: 0}"])
def test_a_document_with_mistakes_is_told_and_the_pipeline_goes_on(developed: Developed, wrong: str):
    developed.start().until(events.Waiting)
    document = (developed.folder / "pipeline.yaml").read_text()
    developed.write("pipeline.yaml", document.replace("fps: 100}", wrong))
    refused = developed.until(events.Refused)
    assert isinstance(refused.error, DocumentError)
    assert "pipeline.yaml" in refused.error.where
    developed.write("says.wat", says("two"))
    developed.until(events.Swapped)
    developed.write("pipeline.yaml", document)
    developed.until(events.Waiting)
    assert developed.since(events.Started) == developed.since(events.Started)[:1]


def test_a_document_that_names_a_file_which_comes_later_is_taken_up_when_it_is_there(developed: Developed):
    developed.start().until(events.Waiting)
    developed.until_said("one")
    document = (developed.folder / "pipeline.yaml").read_text()
    developed.write("pipeline.yaml", document.replace("says.wat", "late.wat"))
    assert "late.wat" in str(developed.until(events.Refused).error)
    developed.write("late.wat", says("late"))
    developed.until(events.Swapped)
    developed.finish()
    assert changes(developed.said) == ["one", "late"]


def test_a_source_that_ends_is_played_again_after_a_change(developed: Developed):
    developed.write("lines.txt", "a\nb\n")
    developed.write("pipeline.yaml", PIPELINE.format(source="{type: lines, path: lines.txt}", more=""))
    developed.start()
    assert developed.until(events.Ended).summary.stage("belt").frames_out == 2
    assert not developed.until(events.Waiting).running
    developed.write("says.wat", says("two"))
    developed.until(events.Started)
    assert developed.until(events.Ended).summary.check().stage("says").frames_out == 2
    assert developed.said == ["two", "two"]


def test_a_pipeline_that_does_not_start_waits_for_what_it_lacks(developed: Developed):
    developed.write("says.wat", "(module")
    developed.start()
    assert isinstance(developed.until(events.Ended).summary.error, ModuleError)
    assert not developed.until(events.Waiting).running
    developed.write("says.wat", says("one"))
    developed.until(events.Started)
    developed.until(events.Waiting, lambda event: event.running)


def test_a_document_with_mistakes_to_begin_with_ends_the_session(developed: Developed):
    developed.write("pipeline.yaml", "sources: 7\n")
    with pytest.raises(DocumentError):
        Session(target_of(developed.folder / "pipeline.yaml"), developed.told.put).run()


def test_a_second_interrupt_does_not_wait_for_the_drain(developed: Developed):
    developed.start().until(events.Waiting)
    developed.interrupt()
    developed.finish()
    assert developed.summary.ended == "SIGINT"


def test_an_event_that_cannot_be_told_ends_the_session_and_the_pipeline(developed: Developed):
    def refuse(event: events.Event) -> None:
        if isinstance(event, events.Waiting):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Session(target_of(developed.folder / "pipeline.yaml"), refuse).run()


# --- functions that are built ------------------------------------------------------------

HANDLE = """#include "weft.h"
WEFT_EXPORT(weft_handle) int32_t weft_handle(void) { return weft_emit("", 0, "text/plain", 10, "%s", %d); }
"""


def source(text: str) -> str:
    return HANDLE % (text, len(text))


@pytest.fixture
def counter(developed: Developed) -> Developed:
    """A new function in C, and a session on its folder."""
    tool("c", developed.folder)
    folder = developed.folder / "counter"
    create(folder, language("c"))
    developed.folder = folder
    developed.write("function.c", source("one"))
    document = (folder / "pipeline.yaml").read_text().replace("type: console", "type: jsonl, path: out.jsonl")
    developed.write("pipeline.yaml", document.replace("fps: 5", "fps: 50"))
    return developed.start(folder)


def test_a_function_is_built_run_and_swapped_when_its_source_is_saved(counter: Developed):
    built = counter.until(events.Built)
    assert (built.function, built.same, built.messages) == ("counter", False, "")
    counter.until(events.Waiting)
    counter.until_said("one")
    counter.write("function.c", source("two"))
    assert not counter.until(events.Built).same
    counter.until(events.Swapped)
    counter.until(events.Waiting)
    counter.write("function.c", source("two") + "/* a word more */\n")
    assert counter.until(events.Built).same
    counter.until(events.Waiting)
    counter.finish()
    assert counter.summary.check().stage("counter").swaps == 1
    assert changes(counter.said) == ["one", "two"]


def test_what_does_not_compile_is_told_as_the_compiler_says_it(counter: Developed):
    counter.until(events.Waiting)
    counter.until_said("one")
    counter.write("function.c", source("two").replace("return", "retrun"))
    refused = counter.until(events.Refused)
    assert isinstance(refused.error, InputError)
    assert "function.c:2:" in refused.error.what
    counter.until(events.Waiting)
    counter.write("function.c", source("three"))
    counter.until(events.Swapped)
    counter.finish()
    assert changes(counter.said) == ["one", "three"]


def test_several_files_saved_at_once_are_one_build_and_new_folders_are_seen(counter: Developed):
    counter.until(events.Waiting)
    counter.until_said("one")
    (counter.folder / "inner").mkdir()
    counter.until(events.Waiting)
    for number in range(5):
        (counter.folder / "inner" / f"part{number}.h").write_text("")
    counter.write("function.c", '#include "inner/part0.h"\n' + source("two"))
    counter.until(events.Swapped)
    counter.until(events.Waiting)
    before = len(counter.since(events.Built))
    (counter.folder / "inner" / "part0.h").write_text(
        '#define weft_emit(...) weft_emit("", 0, "text/plain", 10, "2nd", 3)\n'
    )
    counter.write("function.c", '#include "weft.h"\n#include "inner/part0.h"\n' + source("two"))
    counter.until(events.Swapped)
    counter.until(events.Waiting)
    assert len(counter.since(events.Built)) - before <= 2
    counter.finish()
    assert changes(counter.said) == ["one", "two", "2nd"]


def test_what_the_build_and_the_pipeline_write_is_no_change(counter: Developed):
    counter.until(events.Waiting)
    (counter.folder / ".build-x").mkdir()
    (counter.folder / "target").mkdir()
    (counter.folder / "target" / "deps.c").write_text("")
    (counter.folder / "notes.txt").write_text("")
    (counter.folder / ".function.c.swp").write_text("")
    counter.write("function.c", source("two"))
    counter.until(events.Swapped)
    assert {name for event in counter.since(events.Changed) for name in event.files} == {"function.c"}
    assert len(counter.since(events.Built)) == 2


def test_a_module_that_somebody_else_builds_is_swapped_too(counter: Developed):
    counter.until(events.Waiting)
    counter.until_said("one")
    module = counter.folder / "counter.wasm"
    module.write_bytes(module.read_bytes().replace(b"one", b"ONE"))
    counter.until(events.Swapped)
    counter.finish()
    assert changes(counter.said) == ["one", "ONE"]


def test_a_manifest_that_names_another_module_than_the_pipeline_is_told(counter: Developed):
    counter.until(events.Waiting)
    manifest = counter.folder / "function.toml"
    counter.write("function.toml", manifest.read_text().replace('"counter"', '"other"'))
    refused = counter.until(events.Refused)
    assert isinstance(refused.error, UsageError)
    assert "other.wasm" in refused.error.cure


def test_a_first_build_that_fails_is_mended_before_anything_runs(developed: Developed):
    tool("c", developed.folder)
    folder = developed.folder / "counter"
    create(folder, language("c"))
    developed.folder = folder
    text = (folder / "function.c").read_text()
    developed.write("function.c", "nonsense\n")
    developed.start(folder)
    developed.until(events.Refused)
    assert not developed.until(events.Waiting).running
    developed.write("function.c", text)
    developed.until(events.Built)
    developed.until(events.Started)
    developed.until(events.Waiting, lambda event: event.running)
    assert len(developed.since(events.Started)) == 1


def test_a_pipeline_somewhere_else_builds_the_function_in_its_folder(developed: Developed, tmp_path: Path):
    tool("c", developed.folder)
    folder = tmp_path / "counter"
    create(folder, language("c"))
    developed.write(
        "pipeline.yaml", PIPELINE.format(source=PATTERN, more="").replace("says.wat", "counter/counter.wasm")
    )
    developed.start(folder, tmp_path / "pipeline.yaml")
    assert developed.until(events.Built).function == "counter"
    developed.until(events.Waiting, lambda event: event.running)
    (folder / "function.c").write_text(source("two"))
    assert developed.until(events.Swapped).function == "says"
