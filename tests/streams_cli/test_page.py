"""What ``docs/streams.md`` tells to type is what the commands take, and the tests it names are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from weft.cli.main import make_app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "streams.md").read_text()
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)

COMMANDS = [
    line.removesuffix("&").strip()
    for block in _SHELL.findall(PAGE)
    for line in block.splitlines()
    if line.startswith("weft ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    command, bound, _ = make_app(words[0]).parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)
    assert len(words) == 1 or bound.arguments


def test_the_page_shows_every_command_of_a_site() -> None:
    shown = {line.split()[1] for line in COMMANDS}
    assert shown == {"router", "cert", "source", "function", "watch", "streams", "record", "replay", "run"}


def test_the_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    written = "".join(path.read_text() for path in (ROOT / "tests" / "stream").glob("test_*.py"))
    assert len(named) > 8
    assert [name for name in named if f"def {name}(" not in written] == []
