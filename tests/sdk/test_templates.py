"""What `weft new` makes: it builds, its own test passes, its pipeline runs, and the debugger's build has names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.building import LANGUAGES, Workshop, conformance, tool
from weft import Pipeline
from weft.core.errors import InputError
from weft.toolchains import language
from weft.toolchains.compiling import build
from weft.toolchains.scaffold import create

DWARF = ("c", "zig", "rust")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_new_function_passes_its_own_test_and_runs_in_its_pipeline(
    workshop: Workshop, capfd: pytest.CaptureFixture[str], lang: str
):
    folder = workshop.make(lang, "fresh")
    done = subprocess.run(
        [sys.executable, folder / "test.py"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": ok") == 3
    summary = Pipeline.load(folder / "pipeline.yaml").run()
    assert (summary.stage(folder.name).frames_out, summary.stage(folder.name).failed) == (25, 0)
    printed = capfd.readouterr().out
    assert printed.count("bright") + printed.count("dark") == 25


def environment() -> dict[str, str]:
    """Weft as these tests have it, installed or not."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_does_not_compile_is_told_with_file_and_line(workshop: Workshop, tmp_path: Path, lang: str):
    tool(lang, workshop.folder)
    folder = tmp_path / "broken"
    create(folder, language(lang))
    source = folder / language(lang).source
    source.write_text(source.read_text() + "\nnonsense nonsense;\n")
    (folder / "broken.wasm").write_bytes(b"the one before")
    with pytest.raises(InputError, match=r"does not compile:\n") as caught:
        build(folder)
    assert caught.value.where == str(source)
    line = len(source.read_text().splitlines())
    assert f"{source.name}:{line}" in caught.value.what or f"{source.name}({line}" in caught.value.what
    assert (folder / "broken.wasm").read_bytes() == b"the one before"
    assert not list(folder.glob(".build-*"))


@pytest.mark.parametrize("lang", DWARF)
def test_the_debuggers_build_carries_source_lines(workshop: Workshop, tmp_path: Path, lang: str):
    tool(lang, workshop.folder)
    folder = tmp_path / "traced"
    create(folder, language(lang))
    built = build(folder, debug=True)
    assert built.debug
    module = built.module.read_bytes()
    assert b".debug_line" in module
    assert Path(language(lang).source).name.encode() in module


def test_rust_builds_with_cargo_and_without(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that needs only Weft takes rustc alone."""
    rust = language("rust")
    found = tool("rust", workshop.folder)
    folder = tmp_path / "plain"
    create(folder, rust)
    (folder / rust.source).write_text(conformance("rust").read_text())
    monkeypatch.setattr(type(rust), "find", lambda *_: type(found)(found.title, found.words, found.env, found.target))
    assert build(folder).messages == ""
    assert not (folder / "target").exists()
    assert b"weft_handle" in (folder / "plain.wasm").read_bytes()
