"""``weft view`` as a user types it: a router, a test pattern, a function that finds boxes, and a browser."""

from __future__ import annotations

import json
import shlex
import socket
from pathlib import Path

import pytest

from tests.dashboard.browser import find, open_browser
from tests.streams_cli.conftest import Site, Weft, end, line_with
from weft.media.draw import colour_of
from weft.media.sources.pattern import BARS

NAME = "<script>bolt</script>"
FOUND = json.dumps(
    {"boxes": [{"label": NAME, "score": 0.98, "box": [0.2, 0.2, 0.6, 0.7]}], "labels": [{"label": "tabby"}]}
)
FINDER = f"""
(module
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "application/json")
  (data (i32.const 64) {json.dumps(FOUND)})
  (func (export "weft_handle") (result i32)
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 64) (i32.const {len(FOUND)}))))
"""


def test_a_live_picture_and_its_boxes_are_on_the_page(site: Site, start: Weft, tmp_path: Path) -> None:
    (tmp_path / "finder.wat").write_text(FINDER)
    start("source", "pattern", "--realtime", "--size", "320x180", "--fps", 15, "--stream", "seen/1")
    start("source", "pattern", "--realtime", "--size", "320x180", "--fps", 5, "--stream", "seen/2")
    start("function", tmp_path / "finder.wat", "--observe", "seen/1", "--emit", "found")
    viewing = start("view", "seen/*", "found", "--page", "127.0.0.1:0", "--json")
    url = json.loads(line_with(viewing.stdout, "url"))["url"]
    with open_browser() as browser:
        browser.open(url)
        browser.until(f"Number({find('seen/1', '.picture')}?.dataset.sequence) > 30")
        browser.until(f"{find('seen/1')}.dataset.state === 'live'")
        browser.until(f"{find('seen/2', '.picture')}?.dataset.source === 'seen.2'")
        browser.until(f"{find('seen/1', '.labels')}.textContent === 'tabby'")
        middle = browser.pixel("seen/1", "picture", 0.5, 0.3)
        assert min(sum(abs(one - other) for one, other in zip(middle, bar, strict=False)) for bar in BARS) < 60
        line = browser.pixel("seen/1", "overlay", 0.2, 0.5)
        assert all(abs(one - other) < 12 for one, other in zip(line, colour_of(NAME), strict=False))
        assert browser.pixel("seen/2", "overlay", 0.2, 0.5)[3] == 0, "it has no results"
        browser.until(f"{find('seen/1', '.picture')}.ariaLabel.includes({json.dumps(NAME)})")
        browser.until(f"Number({find('seen/1')}.dataset.fps) > 1")
        assert -50 < float(browser.js(f"return {find('seen/1')}.dataset.latency")) < 20_000
    assert end(viewing) == 130


def test_where_others_reach_it_the_address_has_a_token(site: Site, start: Weft) -> None:
    viewing = start("view", "cam/1", "--page", "0.0.0.0:0")
    assert "/?token=" in line_with(viewing.stdout, "http://")
    assert "plain HTTP" in line_with(viewing.stderr, "whoever")
    assert end(viewing) == 130


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        ("view a/**/b", "no stream pattern", 64),
        ("view a --page localhost", "no address", 64),
        ("view a --page 192.0.2.1:0", "cannot listen", 69),
    ],
)
def test_a_wrong_call_is_told(site: Site, words: str, told: str, code: int) -> None:
    _, err = site.run(*shlex.split(words), code=code)
    assert told in err


def test_a_port_that_is_taken_is_told(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _, err = site.run("view", "a", "--page", f"127.0.0.1:{taken.getsockname()[1]}", code=69)
    assert "take another port" in err
