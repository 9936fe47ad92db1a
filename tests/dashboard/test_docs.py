"""``docs/view.md`` says what the page does, and what it tells to type is what the commands take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from weft.cli.main import make_app
from weft.cli.view import PAGE
from weft.dashboard.files import FOLDER
from weft.dashboard.tally import MAX_STREAMS
from weft.dashboard.view import MAX_VIEWERS
from weft.dashboard.viewer import MAX_NOTES

TEXT = (Path(__file__).parents[2] / "docs" / "view.md").read_text()
COMMANDS = [
    line.removesuffix("&").strip()
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    command, bound, _ = make_app(words[0]).parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound.arguments


def test_its_numbers_are_the_codes() -> None:
    said = " ".join(TEXT.split())
    assert f"At most {MAX_VIEWERS} pages are served, and {MAX_STREAMS} streams on each; of text and results" in said
    assert f"results at most {MAX_NOTES} wait" in said
    assert f"http://{PAGE}/" in TEXT
    panel, link, results = ((FOLDER / name).read_text() for name in ("panel.js", "link.js", "results.js"))
    assert re.search(r"const LINES = 200;", panel)
    assert re.search(r"const MOST_MS = 15000;", link)
    assert re.search(r"const STALE_MS = 2000;", results)


def test_every_key_of_the_page_is_told() -> None:
    keys = re.findall(r"<kbd>(.+?)</kbd>", (FOLDER / "view.html").read_text())
    assert len(keys) >= 5
    assert [key for key in keys if f"`{key}`" not in TEXT] == []


def test_the_files_load_nothing_from_elsewhere() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert {"view.html", "view.css", "main.js"} <= names
    for path in FOLDER.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\son\w+=|style=", text), (
            path.name
        )
        for name in re.findall(r'from "\./(.+?)"|(?:src|href)="assets/(.+?)"', text):
            assert "".join(name) in names
