"""`weft build` of Python: what goes in, what does not, and that the module needs nothing else. And the interpreter."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from tests.python_functions.prepared import python_cache, python_ready
from weft import Frame, load
from weft.core.errors import GuestError, InputError, OutputError, UnavailableError
from weft.toolchains import componentize, language
from weft.toolchains.compiling import build
from weft.toolchains.scaffold import create

__all__ = ["python_cache", "python_ready"]

pytestmark = pytest.mark.timeout(400)

FUNCTION = """
import plistlib
import helper
import vendored

def handle(frame):
    if frame.payload == b"fail":
        helper.fail()
    return [plistlib.dumps(helper.VALUE).decode()[-9:], vendored.NAME]
"""


def new(folder: Path, text: str, flags: str = "[]") -> Path:
    create(folder, language("python"))
    (folder / "function.py").write_text(text)
    manifest = folder / "function.toml"
    manifest.write_text(manifest.read_text().replace("flags = []", f"flags = {flags}"))
    return folder


@pytest.mark.usefixtures("python_ready")
def test_a_module_carries_all_it_needs(tmp_path: Path):
    folder = new(tmp_path / "whole", FUNCTION, '["-p", "vendor"]')
    (folder / "helper.py").write_text("VALUE = 'x'\n\ndef fail():\n    raise OSError('why')\n")
    (folder / "vendor").mkdir()
    (folder / "vendor" / "vendored.py").write_text("NAME = 'vendored'\n")
    module = shutil.copy(build(folder).module, tmp_path / "alone.wasm")
    shutil.rmtree(folder)
    with load(module) as function:
        assert function(Frame(b""))[0].payload == b'["</plist>\\n", "vendored"]'
        with pytest.raises(GuestError, match=r'File "helper\.py", line 4, in fail') as caught:
            function(Frame(b"fail"))
    assert "raise OSError('why')" in caught.value.what


def test_an_import_that_does_not_fit_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tool = componentize.Tool("c 9", (str(tmp_path / "not-called"),))
    monkeypatch.setattr(componentize, "find_componentize", lambda _: tool)
    folder = new(tmp_path / "big", "import json\nimport numpy\ndef handle(frame): ...")
    with pytest.raises(InputError, match=r"does not compile:\nfunction\.py:2: numpy is not there") as caught:
        build(folder)
    assert "`weft run function.py`" in caught.value.cure


def test_the_interpreter_is_made_once_and_told_of(tmp_path: Path, python_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEFT_CACHE", str(python_cache))
    told: list[str] = []
    path = componentize.interpreter(told.append)
    assert path.parent == python_cache / "python"
    assert told == []
    made = tmp_path / "made"
    tool = program(tmp_path / "componentize-py", f'for last; do :; done; echo x > "$last"; echo "$@" > {made}')
    monkeypatch.setattr(componentize, "find_componentize", lambda _: componentize.Tool("c 9", (str(tool),)))
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    assert componentize.interpreter(told.append).read_text() == "x\n"
    assert len(told) == 1
    made.unlink()
    componentize.interpreter(told.append)
    assert not made.exists()


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_an_interpreter_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tool = program(tmp_path / "componentize-py", "echo out of luck; exit 1")
    monkeypatch.setattr(componentize, "find_componentize", lambda _: componentize.Tool("c 9", (str(tool),)))
    with pytest.raises(UnavailableError, match="c 9 did not make an interpreter:\nout of luck"):
        componentize.interpreter()
    monkeypatch.setattr(componentize, "LONGEST", 0.1)
    program(tool, "exec sleep 30")
    with pytest.raises(UnavailableError, match="was not done after"):
        componentize.interpreter()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="Not a directory"):
        componentize.interpreter()


def test_without_componentize_py_there_is_one_line_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    (tmp_path / "f.py").write_text("def handle(frame): ...")
    with pytest.raises(UnavailableError, match="no componentize-py here") as caught:
        load(tmp_path / "f.py")
    assert caught.value.cure == "pip install componentize-py"


def test_old_interpreters_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tool = program(tmp_path / "componentize-py", 'for last; do :; done; echo x > "$last"')
    monkeypatch.setattr(componentize, "find_componentize", lambda _: componentize.Tool("c 9", (str(tool),)))
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path))
    for number in range(5):
        monkeypatch.setattr(componentize, "_digest", lambda number=number: f"digest{number}")
        componentize.interpreter()
    assert {path.stem for path in (tmp_path / "python").glob("*.wasm")} == {"digest2", "digest3", "digest4"}
