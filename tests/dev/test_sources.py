"""Which files belong to a pipeline, and which of them are to be built."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.core.errors import DocumentError, NotFoundError, UsageError
from weft.dev.shape import changed_functions, same_shape
from weft.dev.sources import Sources, sources_of
from weft.dev.target import target_of
from weft.spec.pipeline import PipelineSpec, parse_pipeline
from weft.toolchains import language
from weft.toolchains.scaffold import create

DOCUMENT = """
sources: {in: {type: pattern}}
functions: {f: {FUNCTION, inputs: [in]}}
sinks: {out: {type: console, inputs: [f]}}
"""


def pipeline(function: str, folder: Path = Path()) -> PipelineSpec:
    return parse_pipeline(DOCUMENT.replace("FUNCTION", function), folder=folder)


def sources(function: str, folder: Path) -> Sources:
    return sources_of(pipeline(function, folder), folder / "pipeline.yaml")


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    folder = tmp_path / "counter"
    create(folder, language("c"))
    return folder


def test_a_folder_of_weft_new_is_built_and_watched_but_for_what_compilers_leave(counter: Path):
    for name in ("inner", ".build-1", ".git", "target/deps", "node_modules/x", "__pycache__"):
        (counter / name).mkdir(parents=True)
    found = sources("wasm: counter.wasm", counter)
    assert list(found.folders) == [counter]
    assert set(found.watched()) == {counter, counter / "inner", counter / "weft"}


@pytest.mark.parametrize(
    ("name", "builds"),
    [
        ("function.c", True),
        ("inner/part.h", True),
        ("weft/weft.h", True),
        ("function.toml", True),
        ("inner/function.toml", False),
        ("README.md", False),
        ("test.py", False),
        ("counter.wasm", False),
        ("results.jsonl", False),
        (".function.c.swp", False),
        ("function.c~", False),
        (".build-1/made.c", False),
        ("target/made.c", False),
        ("../other.c", False),
        (".", False),
    ],
)
def test_what_is_built_from(counter: Path, name: str, builds: bool):
    found = sources("wasm: counter.wasm", counter)
    path = Path(f"{counter}/{name}").resolve()
    assert (bool(found.affected(frozenset({path})).folders), found.makes(path)) == (builds, builds)


def test_a_new_folder_may_hold_sources(counter: Path):
    (counter / "more").mkdir()
    assert sources("wasm: counter.wasm", counter).affected(frozenset({counter / "more"})).folders == {counter}


def test_the_document_is_told_from_the_rest(counter: Path):
    found = sources("wasm: counter.wasm", counter)
    assert found.affected(frozenset({counter / "pipeline.yaml"})).document
    assert not found.affected(frozenset({counter / "other.yaml"})).document


@pytest.mark.parametrize("module", ["other.wasm", "weft:classify", "../counter.wasm"])
def test_a_module_that_no_manifest_beside_it_makes_is_only_read(counter: Path, module: str):
    assert sources(f"wasm: '{module}'", counter).folders == {}


def test_a_function_is_read_from_its_module_models_and_texts(tmp_path: Path):
    models = "models: {net: net.onnx, old: {path: m/ir.xml}, saved: saved}"
    found = sources(f"wasm: f.wasm, {models}, config: {{labels: '@labels.txt', at: '@@x', n: 1}}", tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in found.files}
    assert names == {"f.wasm", "net.onnx", "m/ir.xml", "m/ir.bin", "saved", "labels.txt"}
    assert found.functions_at(tmp_path / "saved" / "variables.index") == {"f"}
    assert found.functions_at(tmp_path / "other.txt") == frozenset()
    (tmp_path / "saved").mkdir()
    assert set(found.watched()) == {tmp_path, tmp_path / "m", tmp_path / "saved"}


def test_a_python_function_is_read_with_the_modules_beside_it_that_it_imports(tmp_path: Path):
    (tmp_path / "f.py").write_text("import json\nimport near\ndef handle(frame): return near.word\n")
    (tmp_path / "near.py").write_text("word = 'x'\n")
    (tmp_path / "far.py").write_text("")
    assert set(sources("python: f.py", tmp_path).files) == {tmp_path / "f.py", tmp_path / "near.py"}
    (tmp_path / "f.py").write_text("def handle(frame:\n")
    assert set(sources("python: f.py", tmp_path).files) == {tmp_path / "f.py"}


def test_a_classifier_is_read_with_its_model_and_labels(tmp_path: Path):
    for name in ("net.onnx", "names.txt"):
        (tmp_path / name).write_text("x")
    document = tmp_path / "c.yaml"
    document.write_text("{model: net.onnx, output: {label: names.txt}}\n")
    found = sources("classify: c.yaml", tmp_path)
    assert set(found.files) == {document, tmp_path / "net.onnx", tmp_path / "names.txt"}
    document.write_text("model: [")
    assert set(sources("classify: c.yaml", tmp_path).files) == {document}


def test_a_folder_behind_a_link_is_watched_where_it_is(counter: Path, tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(counter)
    found = sources("wasm: counter.wasm", link)
    assert list(found.folders) == [counter]
    assert found.document == counter / "pipeline.yaml"


# --- the shape of a document -------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "same"),
    [
        ("wasm: b.wasm", True),
        ("wasm: a.wasm, config: {x: 1}", True),
        ("wasm: a.wasm, limits: {time: 1s}, models: {net: n.onnx}, instance: fresh", True),
        ("wasm: a.wasm, replicas: 2", False),
        ("wasm: a.wasm, queue: {size: 3}", False),
        ("wasm: a.wasm, outputs: [f, g]", False),
        ("wasm: a.wasm, on_error: fail", False),
    ],
)
def test_what_a_function_is_may_change_but_not_its_place(function: str, same: bool):
    old, new = pipeline("wasm: a.wasm"), pipeline(function)
    assert same_shape(old, new) == same
    assert changed_functions(old, new) == {"f"}
    assert same_shape(old, old)
    assert changed_functions(old, old) == set()


def test_sources_and_sinks_are_part_of_the_shape():
    old = pipeline("wasm: a.wasm")
    for before, after in (("pattern", "pattern, fps: 7"), ("console", "jsonl, path: o"), ("out:", "other:")):
        assert not same_shape(old, parse_pipeline(DOCUMENT.replace("FUNCTION", "wasm: a.wasm").replace(before, after)))


# --- what to develop ---------------------------------------------------------------------


def test_test_patterns_go_on_and_files_do_not(tmp_path: Path):
    (tmp_path / "p.yaml").write_text(
        "sources: {a: {type: pattern, frames: 3}, b: {type: lines, path: x, limit: 2}}\n"
        "sinks: {out: {type: console, inputs: [a, b]}}\n"
    )
    read = target_of(tmp_path / "p.yaml").read(check_files=False)
    assert (read.sources["a"].frames, read.sources["a"].realtime, read.sources["b"].limit) == (None, True, 2)


@pytest.mark.parametrize(("name", "form"), [("a.py", "python"), ("a.wat", "wasm"), ("a.yaml", "classify")])
def test_a_single_function_gets_a_pipeline(tmp_path: Path, name: str, form: str):
    (tmp_path / name).write_text("model: m.onnx\n")
    target = target_of(tmp_path / name)
    spec = target.read(check_files=False)
    assert (target.document, target.title) == (None, "a")
    assert spec.functions["a"].form == form
    assert spec.folder == tmp_path


def test_what_is_nothing_to_develop_is_refused(tmp_path: Path):
    (tmp_path / "mixed.yaml").write_text("{model: m, sources: {}}\n")
    for name, error in (("nowhere", NotFoundError), (".", NotFoundError), ("mixed.yaml", DocumentError)):
        with pytest.raises(error):
            target_of(tmp_path / name)
    with pytest.raises(UsageError, match="goes with a function's folder"):
        target_of(tmp_path / "mixed.yaml", tmp_path / "p.yaml")
