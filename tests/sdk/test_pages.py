"""What stands on the pages about languages is what the tests compile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.sdk.building import CORE, LANGUAGES, example
from weft.core.resources import sdk
from weft.toolchains import language
from weft.wasm.host import signatures

PAGES = Path(__file__).parents[2] / "docs" / "languages"
FENCES = {"assemblyscript": "ts"}
COLUMNS = ("c", "zig", "rust", "go", "assemblyscript")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_code_on_a_page_is_the_template_and_the_example(lang: str):
    page = (PAGES / f"{lang}.md").read_text()
    blocks = re.findall(rf"^```{FENCES.get(lang, lang)}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    template = sdk() / lang / "template" / language(lang).source
    assert blocks[:2] == [template.read_text(), example(lang).read_text()]
    assert lang == "python" or len(blocks) == 2
    for more in blocks[2:]:
        compile(more, f"{lang}.md", "exec")


def test_every_language_has_its_page_and_its_row():
    assert {page.stem for page in PAGES.glob("*.md")} == {"index", *LANGUAGES}
    overview = (PAGES / "index.md").read_text()
    assert [lang for lang in LANGUAGES if f"| [{language(lang).title}]({lang}.md) |" not in overview] == []


def parity() -> dict[str, list[str]]:
    """The tables of names: host function to its names in each language."""
    rows = re.findall(r"^\| (`.*`) \|$", (PAGES / "index.md").read_text(), re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    return {row[0].strip("`"): row[1:] for row in cells if len(row) == len(COLUMNS) + 1}


def test_the_table_of_names_has_every_host_function():
    assert sorted(parity()) == sorted([*signatures("weft"), *signatures("wasi_ephemeral_nn")])


@pytest.mark.parametrize("lang", CORE)
def test_the_names_in_the_table_are_those_of_the_binding(lang: str):
    own = sdk() / lang
    text = "\n".join((own / file).read_text() for file in language(lang).binding)
    names = [
        re.split(r"\.|::", name)[-1]
        for row in parity().values()
        for name in re.findall(r"`([^`]+)`", row[COLUMNS.index(lang)])
    ]
    assert len(names) >= len(parity())
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_python_s_page_says_what_each_host_function_is_called():
    page = (PAGES / "python.md").read_text()
    rows = dict(re.findall(r"^\| (`.*?`) \| (.*) \|$", page, re.MULTILINE))
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(signatures("weft")) <= told
    library = "\n".join(path.read_text() for path in (sdk() / "python" / "weft").glob("*.py"))
    names = {name for cell in rows.values() for name in re.findall(r"`[\w]+\.[\w.]*?(\w+)[(`]", cell)}
    assert [name for name in names if not re.search(rf"\b{name}\b", library)] == []
