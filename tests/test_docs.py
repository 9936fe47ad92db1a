"""The documentation says what the code does."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tools.generate_docs import generated
from weft.core.errors import WeftError
from weft.core.limits import CAPABILITIES, Limits
from weft.core.units import parse_duration, parse_size
from weft.spec.access import parse_access
from weft.spec.classify import parse_classifier
from weft.spec.kind import kind_of
from weft.spec.pipeline import parse_pipeline
from weft.spec.policy import parse_policy
from weft.spec.reader import read
from weft.spec.rights import parse_rights

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")])
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def yaml_blocks() -> list[tuple[str, str]]:
    found = [(page.relative_to(ROOT), _YAML.findall(page.read_text())) for page in PAGES]
    return [(f"{page}#{index}", block) for page, blocks in found for index, block in enumerate(blocks)]


@pytest.mark.parametrize(("where", "block"), yaml_blocks())
def test_every_yaml_block_is_a_document(where: str, block: str):
    kind = kind_of(read(block), where)
    if kind == "pipeline":
        assert not parse_pipeline(block, where=where).warnings
    else:
        parsers = {"classifier": parse_classifier, "access": parse_access}
        parse = {**parsers, "rights": parse_rights, "policy": parse_policy}[kind]
        assert parse(block, where=where)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_a_pipeline(path: Path):
    assert not parse_pipeline(path.read_bytes(), where=str(path)).warnings


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_generated_parts_are_up_to_date(page: Path):
    text = page.read_text()
    assert generated(text) == text, "run python -m tools.generate_docs"


def test_a_stale_part_is_noticed():
    page = "before\n<!-- generated: error-table -->\nold\n<!-- end -->\nafter\n"
    assert "| `WeftError` | 1 |" in generated(page)
    assert "\nold\n" not in generated(page)


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f": {page}\n" not in navigation] == []


def test_every_dependency_has_its_line():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[<>=\[]", line)[0] for line in wanted} - {"weft"}
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert (
        sorted(name for name in names if not re.search(rf"^\| .*\b{re.escape(name)}\b.* \|", page, re.MULTILINE)) == []
    )


def test_every_limit_stands_in_its_table_with_its_default():
    page = (ROOT / "docs" / "limits-and-grants.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", page, re.MULTILINE))
    defaults = Limits()
    assert set(rows) == {field.name for field in fields(Limits)}
    for name, text in rows.items():
        parse = parse_duration if text.endswith("s") else parse_size
        assert parse(text) == getattr(defaults, name), name


def test_every_capability_is_explained():
    page = (ROOT / "docs" / "limits-and-grants.md").read_text()
    assert [name for name in CAPABILITIES if name not in page] == []


def test_errors_named_in_the_docs_exist():
    names = {kind.__name__ for kind in _all_kinds(WeftError)}
    for page in PAGES:
        assert set(re.findall(r"`(\w+Error)`", page.read_text())) <= names, page.name


def _all_kinds(kind: type[WeftError]) -> Iterator[type[WeftError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _all_kinds(child)
