"""State in pipelines: retries, replicas, restarts, and what the documents and the checks say."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guests.build import GUESTS, compile_guest, shared_folder
from weft import Frame, Grants, Pipeline, StateGrant, load
from weft.core.errors import DocumentError, InputError
from weft.flow.state_admin import content, value
from weft.flow.summary import Summary
from weft.flow.validate import validate_pipeline
from weft.spec.pipeline import parse_pipeline

PATIENCE_S = 60
Run = Callable[..., Summary]


@pytest.fixture(scope="session")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counts frames; one that says "fail" or "trap" counts and then fails."""
    return compile_guest(GUESTS / "counter.c", shared_folder(tmp_path_factory))


@pytest.fixture
def document(tmp_path: Path, counter: Path) -> Callable[..., Path]:
    """``document(frames, more="…")`` is a pipeline of a counter and its results in out.jsonl."""

    def write(frames: list[str], state: str = "{path: state.db}", more: str = "", name: str = "") -> Path:
        (tmp_path / "lines.txt").write_text("".join(f"{line}\n" for line in frames))
        path = tmp_path / "pipeline.yaml"
        path.write_text(f"""
{name}
sources:
  lines: {{type: lines, path: lines.txt}}
functions:
  count: {{wasm: {counter}, inputs: [lines], grants: {{state: {state}}} {more}}}
sinks:
  out: {{type: jsonl, path: out.jsonl, inputs: [count]}}
""")
        return path

    return write


@pytest.fixture
def counted(tmp_path: Path) -> Callable[[], list[int]]:
    """What the counter said, frame by frame."""
    return lambda: [int(json.loads(line)["payload"]) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def number(path: Path) -> int:
    return int.from_bytes(value(path, "count") or b"", "little")


Document = Callable[..., Path]
Counted = Callable[[], list[int]]


# --- frames that fail ----------------------------------------------------------------------


def test_a_frame_that_is_tried_again_sees_the_state_as_before(
    document: Document, counted: Counted, tmp_path: Path
) -> None:
    frames = ["a", "fail", "b", "trap", "c"]
    summary = Pipeline.load(document(frames, more=", on_error: {retry: 3}")).run()
    assert counted() == [1, 2, 3]
    assert number(tmp_path / "state.db") == 3
    stage = summary.stage("count")
    assert (stage.failed, stage.retried) == (2, 6)
    assert stage.counters == {
        "state_gets": 11,
        "state_puts": 11,
        "state_deletes": 0,
        "state_refused": 0,
        "state_commits": 3,
        "state_rollbacks": 8,
    }


# --- replicas ------------------------------------------------------------------------------


def test_replicas_share_the_state_and_lose_no_update(document: Document, counted: Counted, tmp_path: Path) -> None:
    path = document(["x"] * 1000, more=", replicas: 4, queue: {size: 64}")
    summary = Pipeline.load(path).run()
    assert sorted(counted()) == list(range(1, 1001))
    assert number(tmp_path / "state.db") == 1000
    assert summary.stage("count").counters["state_commits"] == 1000


# --- restarts ------------------------------------------------------------------------------


def test_the_state_outlives_a_run(document: Document, counted: Counted, tmp_path: Path) -> None:
    path = document(["x"] * 3)
    Pipeline.load(path).run()
    gc.collect()
    Pipeline.load(path).run()
    assert counted() == [4, 5, 6]
    assert content(tmp_path / "state.db").sizes == {"count": 8}


def test_kill_9_in_the_middle_of_a_run(document: Document, tmp_path: Path) -> None:
    """What reached the sink is in the state; at most what was under way is not."""
    path = document([])
    (tmp_path / "lines.txt").unlink()
    os.mkfifo(tmp_path / "lines.txt")
    process = subprocess.Popen(
        [sys.executable, "-m", "weft", "run", str(path), "--log-format", "json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with (tmp_path / "lines.txt").open("w") as lines:
        lines.write("x\n" * 50)
        lines.flush()
        while not _written(tmp_path / "out.jsonl", 50):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    assert number(tmp_path / "state.db") == 50
    (tmp_path / "lines.txt").unlink()
    Pipeline.load(document(["x"])).run()
    assert number(tmp_path / "state.db") == 51


def _written(path: Path, lines: int) -> bool:
    """Whether the sink has written so many lines, in this file or the one it will be."""
    files = [file for file in path.parent.glob(f"*{path.stem}*") if file.is_file()]
    return any(file.read_bytes().count(b"\n") >= lines for file in files)


# --- where it is kept ----------------------------------------------------------------------


def test_the_default_place_goes_by_the_names(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_STATE", str(tmp_path / "kept"))
    Pipeline.load(document(["x"], state="1MiB", name="name: belt")).run()
    assert number(tmp_path / "kept" / "functions" / "belt" / "count.db") == 1
    path = document(["x"], state="1MiB")
    validate_pipeline(path)
    assert [folder.name for folder in (tmp_path / "kept" / "functions").iterdir()] == ["belt"], "checking makes nothing"
    Pipeline.load(path).run()
    [unnamed] = [folder for folder in (tmp_path / "kept" / "functions").iterdir() if folder.name != "belt"]
    assert unnamed.name.startswith("in-")
    assert number(unnamed / "count.db") == 1


def test_two_functions_that_name_one_file_share_it(counter: Path, tmp_path: Path) -> None:
    grants = Grants(state=StateGrant(tmp_path / "shared.db"))
    with load(counter, grants=grants) as one, load(counter, grants=grants) as other:
        said = [function(Frame(b""))[0].payload for function in (one, other, one)]
    assert said == [b"1", b"2", b"3"]


# --- documents -----------------------------------------------------------------------------

DOCUMENT = """
sources: {{lines: {{type: lines, path: "-"}}}}
functions: {{f: {{wasm: f.wasm, inputs: [lines], grants: {{state: {state}}}}}}}
sinks: {{out: {{type: console, inputs: [f]}}}}
"""


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("1MiB", StateGrant(Path("place"))),
        ("4096", StateGrant(Path("place"), size=4096)),
        ("{}", StateGrant(Path("place"))),
        (
            "{size: 2MiB, path: x.db, value: 1KiB, keys: 7}",
            StateGrant(Path("here/x.db"), size=2 * 2**20, value=1024, keys=7),
        ),
    ],
)
def test_grants_of_state_in_documents(written: str, wanted: StateGrant) -> None:
    spec = parse_pipeline(DOCUMENT.format(state=written))
    assert spec.functions["f"].grants.grants(Path("here"), Path("place")).state == wanted


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("much", "'much' is no size"),
        ("true", "state"),
        ("0", "must be between 1 byte"),
        ("{sise: 1MiB}", "size"),
        ("{keys: 0}", "keys"),
        ("[1MiB]", "state"),
    ],
)
def test_mistakes_in_documents(written: str, words: str) -> None:
    with pytest.raises(DocumentError) as refused:
        parse_pipeline(DOCUMENT.format(state=written))
    assert words in str(refused.value)
    assert "grants.state" in str(refused.value)


def test_a_state_file_is_nothing_to_write_results_to(document: Document) -> None:
    with pytest.raises(DocumentError, match="would write over"):
        Pipeline.load(document(["x"], state="{path: out.jsonl}"))


def test_a_file_that_is_no_state_file_is_told_by_validate_and_before_the_first_frame(
    document: Document, tmp_path: Path
) -> None:
    (tmp_path / "state.db").write_text("precious")
    path = document(["x"])
    with pytest.raises(DocumentError, match=r"grants\.state: is no state file"):
        validate_pipeline(path)
    with pytest.raises(InputError, match="is no state file"):
        Pipeline.load(path).run()
    assert (tmp_path / "state.db").read_text() == "precious"
    assert not (tmp_path / "out.jsonl").exists()


def test_a_folder_that_is_missing_is_told_by_validate(document: Document) -> None:
    with pytest.raises(DocumentError, match="folder is not there"):
        validate_pipeline(document(["x"], state="{path: nothing/state.db}"))
