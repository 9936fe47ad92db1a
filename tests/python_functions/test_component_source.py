"""What a Python function's files are and import, read without running any of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.core.errors import InputError, NotFoundError
from weft.toolchains import python_source
from weft.toolchains.python_modules import COMPONENT_MODULES
from weft.toolchains.python_source import read_source


def written(folder: Path, **files: str) -> Path:
    """``main`` and modules beside it; ``parts__b`` stands for ``parts/b``."""
    for name, text in files.items():
        path = folder / f"{name.replace('___init', '/__init__').replace('parts__', 'parts/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "main.py"


def found(path: Path) -> list[tuple[str, str, int, bool]]:
    return [(each.name, each.file, each.line, each.optional) for each in read_source(path).imports]


def test_imports_are_found_wherever_they_stand(tmp_path: Path):
    text = """
import json, os.path as p
from collections.abc import Mapping
def f():
    import numpy as np
    class C:
        from PIL import Image
try:
    import orjson
except ImportError:
    import json
if TYPE_CHECKING:
    import torch
else:
    import random
"""
    assert found(written(tmp_path, main=text)) == [
        ("json", "main.py", 2, False),
        ("os.path", "main.py", 2, False),
        ("collections.abc", "main.py", 3, False),
        ("numpy", "main.py", 5, False),
        ("PIL", "main.py", 7, False),
        ("orjson", "main.py", 9, True),
        ("random", "main.py", 15, False),
    ]


def test_an_import_that_is_needed_somewhere_is_needed(tmp_path: Path):
    text = "try:\n    import numpy\nexcept ImportError: ...\ndef f():\n    import numpy"
    assert found(written(tmp_path, main=text)) == [("numpy", "main.py", 5, False)]


def test_submodules_of_the_library_are_known_from_names(tmp_path: Path):
    text = "from urllib import parse, request\nfrom xml.etree import ElementTree\nfrom json import loads"
    names = [name for name, *_ in found(written(tmp_path, main=text))]
    assert names == ["urllib", "urllib.parse", "urllib.request", "xml.etree", "xml.etree.ElementTree", "json"]
    assert [each.name for each in read_source(tmp_path / "main.py").foreign] == ["urllib.request"]


def test_modules_beside_a_function_are_its_own_however_indirectly(tmp_path: Path):
    path = written(
        tmp_path,
        main="import helper\nfrom parts import one\nimport weft",
        helper="import helper2, parts.deep.down\nimport main",
        helper2="import numpy",
        parts___init="",
        parts__one="from . import two\nfrom .two import name\nfrom .. import nowhere",
        parts__two="import scipy.signal",
        unused="import torch",
        weft="never",
    )
    source = read_source(path)
    assert source.files[0][0] == "main.py"
    assert {name for name, _ in source.files} == {
        *("main.py", "helper.py", "helper2.py", "parts/__init__.py", "parts/one.py", "parts/two.py"),
    }
    assert [(each.name, each.file) for each in source.foreign] == [
        ("scipy.signal", "parts/two.py"),
        ("numpy", "helper2.py"),
    ]


def test_a_file_beside_it_comes_before_the_library(tmp_path: Path):
    source = read_source(written(tmp_path, main="import random", random=""))
    assert (len(source.files), source.imports) == (2, ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", "main.py:1:7: invalid syntax\n    def f(:"),
        ("x = 1\n  y = 2", "main.py:2:"),
        ("x = '\0'", "null bytes"),
        ("(" * 10_000, "main.py"),
    ],
)
def test_what_is_no_python_is_told_with_its_line(tmp_path: Path, text: str, told: str):
    path = written(tmp_path, main=text)
    with pytest.raises(InputError, match="does not compile") as caught:
        read_source(path)
    assert told in caught.value.what
    assert caught.value.where == str(path)


def test_a_mistake_in_a_module_beside_it_names_that(tmp_path: Path):
    with pytest.raises(InputError, match=r"helper\.py:1"):
        read_source(written(tmp_path, main="import helper", helper="else"))


def test_files_are_text_and_not_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "latin.py").write_bytes(b"# \xe9")
    with pytest.raises(InputError, match="no UTF-8"):
        read_source(tmp_path / "latin.py")
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbfimport json")
    assert found(tmp_path / "bom.py")[0][0] == "json"
    with pytest.raises(NotFoundError, match="no such file"):
        read_source(tmp_path / "none.py")
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_source(tmp_path)
    path = written(tmp_path, main="import a", a="import b", b="import c", c="")
    monkeypatch.setattr(python_source, "MAX_FILES", 3)
    with pytest.raises(InputError, match="more than 3 files"):
        read_source(path)
    monkeypatch.setattr(python_source, "MAX_BYTES", 12)
    with pytest.raises(InputError, match="over 12 B"):
        read_source(path)


def test_the_list_of_modules_is_of_the_library():
    import sys

    assert {name.partition(".")[0] for name in COMPONENT_MODULES} <= sys.stdlib_module_names
    page = (Path(__file__).parents[2] / "docs" / "languages" / "python.md").read_text()
    assert [name for name in COMPONENT_MODULES if f"`{name}`" not in page] == []
