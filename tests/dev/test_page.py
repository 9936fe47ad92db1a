"""The page about `weft dev` says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tests.dev.conftest import PIPELINE, says
from weft.cli.dev_display import TextDisplay
from weft.core.errors import InputError
from weft.dev import events
from weft.flow.summary import Summary

PAGE = (Path(__file__).parents[2] / "docs" / "dev.md").read_text()

SAMPLES = {
    "changed": events.Changed(("function.c",)),
    "built": events.Built("counter", "zig", 0.1, "", same=False),
    "started": events.Started("counter"),
    "ready": events.Ready("counter", 0.1),
    "swapped": events.Swapped("counter", 3, 0.1),
    "refused": events.Refused("counter", InputError("does not compile")),
    "restarting": events.Restarting("counter"),
    "ended": events.Ended(Summary("end", 1.0, ())),
    "waiting": events.Waiting(running=True),
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_table_of_events_has_every_event_with_its_fields() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| (.*?) \| .* \|$", PAGE, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows}
    assert set(told) == set(SAMPLES) == {kind.__name__.lower() for kind in events.Event.__subclasses__()}
    for name, event in SAMPLES.items():
        record = event.record()
        assert record["event"] == name
        if name != "ended":
            assert set(record) - {"event"} == told[name], name


def test_a_document_s_mistakes_and_seconds_are_plain_data() -> None:
    assert SAMPLES["built"].record() == {
        "event": "built",
        "function": "counter",
        "compiler": "zig",
        "ms": 100.0,
        "messages": "",
        "same": False,
    }
    assert SAMPLES["changed"].record()["files"] == ["function.c"]
    assert len(fields(events.Refused)) == 2


def test_the_session_on_the_page_is_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = (
        events.Built("counter", "zig 0.17.0", 0.268, "", same=False),
        events.Started("counter"),
        events.Waiting(running=True),
        events.Changed(("function.c",)),
        events.Built("counter", "zig 0.17.0", 0.125, "", same=False),
        events.Ready("counter", 0.0437),
        events.Swapped("counter", 15, 0.219),
        events.Waiting(running=True),
    )
    wrong = InputError(
        "does not compile:\nfunction.c:43:11: error: expected ';' after top level declarator",
        where="counter/function.c",
    )
    refused = (events.Changed(("function.c",)), events.Refused("counter", wrong), events.Waiting(running=True))
    display = TextDisplay()
    for session in (shown, refused):
        for event in session:
            display(event)
        assert capsys.readouterr().err in blocks("text")


def test_what_is_shown_of_warnings_and_endings(capsys: pytest.CaptureFixture[str]) -> None:
    display = TextDisplay()
    display(events.Built("counter", "zig", 0.1, "function.c:1: warning: \x1b[31munused\n", same=True))
    display(events.Restarting("counter"))
    display(events.Ended(Summary("error", 1.0, (), InputError("no frame"), "counter")))
    display(events.Waiting(running=False))
    shown = capsys.readouterr().err
    assert "function.c:1: warning: \\x1b[31munused\n" in shown
    assert "in 100 ms: the same module as before" in shown
    assert "begins anew" in shown
    assert "error: no frame" in shown
    assert "counter: ended by error" in shown
    assert shown.endswith("waiting for changes, to run again\n")


def test_an_output_nobody_reads_ends_it() -> None:
    broken = InputError("cannot write")
    broken.__cause__ = BrokenPipeError()
    with pytest.raises(InputError):
        TextDisplay()(events.Ended(Summary("error", 1.0, (), broken)))


def test_the_python_on_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("says.wat").write_text(says("one"))
    document = PIPELINE.format(source="{type: pattern, size: 16x16}", more="")
    Path("pipeline.yaml").write_text(document.replace("says:", "counter:").replace("[says]", "[counter]"))
    (block,) = blocks("python")
    names: dict[str, object] = {}
    exec(block, names)
    assert int(capsys.readouterr().out) >= 0
    assert names["run"].snapshot().check().stage("counter").swaps == 1
