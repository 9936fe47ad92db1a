"""Which form a Python function takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.flow import python_function
from weft.flow.functions import FunctionOptions
from weft.flow.python_function import form_of
from weft.toolchains.python_source import read_source

TRY_NUMPY = "try:\n    import numpy\nexcept ImportError:\n    numpy = None\n"


def form(tmp_path: Path, text: str, abi: str | None = None, **others: str) -> str:
    for name, other in others.items():
        (tmp_path / f"{name}.py").write_text(other)
    path = tmp_path / "function.py"
    path.write_text(text)
    return form_of(read_source(path), FunctionOptions(abi=abi), path)


@pytest.mark.parametrize(
    ("text", "abi", "wanted"),
    [
        ("import json, math, weft\n", None, "component"),
        ("import json, math, weft\n", "auto", "component"),
        ("import json\n", "stdio", "stdio"),
        ("import numpy\n", None, "stdio"),
        ("from PIL import Image\n", None, "stdio"),
        ("def handle(frame):\n    import scipy.ndimage\n", None, "stdio"),
        ("import asyncio\n", None, "stdio"),
        (TRY_NUMPY, "component", "component"),
        ("x = 'import numpy'\n", None, "component"),
    ],
)
def test_the_imports_decide_unless_the_abi_does(tmp_path: Path, text: str, abi: str | None, wanted: str) -> None:
    assert form(tmp_path, text, abi) == wanted


def test_what_siblings_import_counts(tmp_path: Path) -> None:
    assert form(tmp_path, "import beside\n", beside="import numpy\n") == "stdio"
    assert form(tmp_path, "import other\n", other="import json\n") == "component"


@pytest.mark.parametrize(("there", "wanted"), [(True, "stdio"), (False, "component")])
def test_an_import_it_can_do_without_takes_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, wanted: str
) -> None:
    monkeypatch.setattr(python_function, "_has_stdio", lambda: there)
    assert form(tmp_path, TRY_NUMPY) == wanted
