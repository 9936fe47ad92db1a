"""The exception tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from weft.core import errors
from weft.core.errors import DocumentError, GuestTrap, Problem, WeftError
from weft.core.suggest import MANIFEST, did_you_mean, meant_file, nearest

CLASSES = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_stands_in_the_tree_the_module_shows(cls: type[WeftError]) -> None:
    assert issubclass(cls, WeftError)
    line = re.search(rf"\b{cls.__name__}\b(?: +exit (\d+))?", errors.__doc__ or "")
    assert line, f"{cls.__name__} is missing from the docstring"
    if line[1]:
        assert cls.exit_code == int(line[1])


def test_an_error_says_what_where_and_the_cure() -> None:
    error = WeftError("it broke", where="f.wasm", cure="mend it")
    assert str(error) == "f.wasm: it broke\n  cure: mend it"
    assert error.record() == {"error": "WeftError", "what": "it broke", "where": "f.wasm", "cure": "mend it"}


def test_where_is_set_once() -> None:
    assert GuestTrap("x").at("a").at("b").where == "a"


def test_a_document_lists_all_its_problems_by_line() -> None:
    error = DocumentError([Problem("b", "wrong", 9, "do c"), Problem("a", "missing", 2)], where="p.yaml")
    assert str(error).splitlines() == ["p.yaml: 2 mistakes", "  line 2: a: missing", "  line 9: b: wrong (do c)"]
    assert [problem["line"] for problem in error.record()["problems"]] == [2, 9]  # type: ignore[attr-defined]


def test_the_nearest_name_ignores_case() -> None:
    assert nearest("MemOry", ["memory", "time"]) == "memory"
    assert did_you_mean("zzz", ["memory"]) == ""


def test_a_missing_module_is_a_neighbour_or_is_to_be_built(tmp_path: Path) -> None:
    (tmp_path / "counter.wat").touch()
    assert meant_file(tmp_path / "countr.wasm") == "did you mean 'counter.wat'?"
    (tmp_path / MANIFEST).touch()
    assert meant_file(tmp_path / "counter.wasm") == f"build it: weft build {tmp_path}"
    (tmp_path / "counter.wasm").touch()
    assert meant_file(tmp_path / "countr.wasm") == "did you mean 'counter.wasm'?"
    assert meant_file(tmp_path / "nowhere" / "counter.wasm") == ""
