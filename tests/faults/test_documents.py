"""Pipeline documents with mistakes, without end, or about themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import PATIENCE_S, Done
from weft.core.errors import DocumentError
from weft.flow.pipeline import Pipeline

Weft = Callable[..., Done]

THREE = """\
sources:
  belt: {type: lines, pth: belt.txt}
functions:
  detect: {wasm: detect.wasm, inputs: [blet], replicas: many}
"""


def test_all_mistakes_are_told_at_once_with_their_lines_and_cures(called: Weft, tmp_path: Path) -> None:
    document = tmp_path / "three.yaml"
    document.write_text(THREE)
    for words in (["run", document, "--log-format", "text"], ["validate", document]):
        done = called(*words).told(78, "mistakes", "line 2: sources.belt.pth", "did you mean 'path'?")
        assert "line 4: functions.detect.replicas: must be a whole number, is 'many'" in done.err
        assert "line 4: functions.detect.wasm: there is no file 'detect.wasm'" in done.err
    told = json.loads(called("validate", document, "--json").told(78).out)
    assert [problem["line"] for problem in told["problems"]] == sorted(problem["line"] for problem in told["problems"])
    assert len(told["problems"]) >= 4
    event = json.loads(called("run", document).told(78).err.splitlines()[-1])
    assert (event["event"], len(event["problems"])) == ("error", len(told["problems"]))


def billion_laughs() -> str:
    layers = [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "\n".join(["a0: &a0 [x, x, x]", *layers])


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x" * 10_000_000, "larger than"),
        ("é" * 5_000_000, "larger than"),
        ("a: b\n" * 2_000_000, "larger than"),
        ("[" * 100_000, "nested deeper"),
        ("{a: " * 20_000, "nested deeper"),
        ("- " * 20_000, "nested deeper"),
        ("a: &a [*a]", "refers to itself"),
        ("a: &a {<<: *a}", "refers to itself"),
        (billion_laughs(), "more than 20000 values"),
        ("", "is empty"),
        ("%!", "is no YAML"),
        ("a: \x00", "character that YAML does not allow"),
        ("a: !!python/object/apply:os.system [true]", "tag"),
        ("sources: " + "9" * 50_000, "sources"),
        ("just a text", "document"),
        ("---\na: 1\n---\nb: 2", "more than one"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_a_document_without_sense_is_one_clear_error(tmp_path: Path, content: str, said: str) -> None:
    document = tmp_path / "pipeline.yaml"
    document.write_text(content)
    with pytest.raises(DocumentError, match=said):
        Pipeline.load(document)


def test_a_document_of_noise_is_one_clear_error(tmp_path: Path) -> None:
    document = tmp_path / "pipeline.yaml"
    document.write_bytes(bytes(range(128, 256)) * 10)
    with pytest.raises(DocumentError, match="not UTF-8"):
        Pipeline.load(document)


def test_a_document_about_itself_is_no_module_and_no_model(called: Weft, tmp_path: Path) -> None:
    document = tmp_path / "self.yaml"
    (tmp_path / "self.wasm").symlink_to(document)
    document.write_text(
        "sources: {in: {type: lines, path: self.yaml}}\n"
        "functions: {f: {wasm: self.wasm, inputs: [in], models: {net: self.yaml}}}\n"
        "sinks: {out: {type: jsonl, path: out.jsonl, inputs: [f]}}\n"
    )
    called("validate", document).told(78, "2 mistakes", "not a WebAssembly module", "not a model")
    called("run", document, "--log-format", "text").told(65, "not a model")


def test_a_document_may_read_its_own_lines(called: Weft, tmp_path: Path) -> None:
    document = tmp_path / "self.yaml"
    document.write_text(
        "sources: {in: {type: lines, path: self.yaml}}\nsinks: {out: {type: jsonl, path: '-', inputs: [in]}}\n"
    )
    assert len(called("run", document).told(0).out.splitlines()) == 2


def test_what_sources_cannot_read_and_sinks_cannot_write_is_told_with_the_rest(called: Weft, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "noise.mp4").write_bytes(b"no video")
    document = tmp_path / "pipeline.yaml"
    document.write_text(
        "sources:\n"
        "  belt: {type: video, path: noise.mp4}\n"
        "  album: {type: pictures, path: empty}\n"
        "sinks:\n"
        "  out: {type: jsonl, path: gone/out.jsonl, inputs: [belt]}\n"
        "  dir: {type: directory, path: noise.mp4/frames, inputs: [album]}\n"
    )
    done = called("validate", document).told(78, "4 mistakes")
    for words in (
        "line 2: sources.belt.path: no video FFmpeg can read",
        "line 3: sources.album.path: there are no pictures",
        "line 5: sinks.out.path: cannot be written: No such file or directory (make its directory first)",
        "line 6: sinks.dir.path: cannot be written: Not a directory",
    ):
        assert words in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "noise.mp4", "pipeline.yaml"]
