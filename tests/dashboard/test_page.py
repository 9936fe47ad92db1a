"""The page in a real browser: what is drawn, said and done."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

import pytest

from tests.dashboard.browser import SPACE, Browser, find
from tests.dashboard.conftest import BLUE, RED, Shown, jpeg
from weft.media.draw import colour_of

Show = Callable[..., Shown]


def results(*boxes: tuple[str, list[float]], labels: tuple[str, ...] = ()) -> bytes:
    found = [{"label": label, "score": 0.75, "box": box} for label, box in boxes]
    return json.dumps({"boxes": found, "labels": [{"label": one, "score": 0.5} for one in labels]}).encode()


def near(found: list[int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) <= 12 for one, other in zip(found, wanted, strict=False))


JSON = {"media_type": "application/json"}


def test_a_picture_is_drawn_as_it_is(show: Show, browser: Browser) -> None:
    shown = show("cam/1")
    browser.open(shown.server.url)
    shown.put("cam/1", jpeg(RED), 0)
    browser.until_drawn("cam/1", 0)
    assert near(browser.pixel("cam/1", "picture", 0.5, 0.5), RED)
    shown.put("cam/1", jpeg(BLUE, (320, 240)), 1)
    browser.until_drawn("cam/1", 1)
    assert near(browser.pixel("cam/1", "picture", 0.9, 0.1), BLUE)
    assert browser.js(f"return [{find('cam/1', '.picture')}.width, {find('cam/1', '.picture')}.height]") == [320, 240]


def test_boxes_are_drawn_on_the_picture_they_belong_to(show: Show, browser: Browser) -> None:
    shown = show("cam/1", "labels")
    browser.open(shown.server.url)
    frame = shown.put("cam/1", jpeg(), 7)
    browser.until_drawn("cam/1", 7)
    shown.put("labels", results(("bolt", [0.25, 0.3, 0.5, 0.8]), labels=("tabby",)), 7, time_ns=frame.time_ns, **JSON)
    browser.until(f"{find('cam/1', '.overlay')}.dataset.late === '0'")
    assert near(browser.pixel("cam/1", "overlay", 0.25, 0.6), colour_of("bolt"))
    assert browser.pixel("cam/1", "overlay", 0.35, 0.6)[3] == 0, "nothing within the box"
    assert browser.text("cam/1", ".labels") == "tabby 0.50"
    assert browser.text("cam/1", ".lateness") == "with the picture"
    browser.until(f"{find('cam/1', '.picture')}.getAttribute('aria-label').includes('bolt 0.75, tabby 0.50')")


def test_a_late_result_is_drawn_on_the_newest_picture_with_its_age(show: Show, browser: Browser) -> None:
    shown = show("cam/1", "labels")
    browser.open(shown.server.url)
    first = shown.put("cam/1", jpeg(), 0, time_ns=10**18)
    shown.put("cam/1", jpeg(), 1, time_ns=first.time_ns + 300_000_000)
    browser.until_drawn("cam/1", 1)
    shown.put("labels", results(("nut", [0.1, 0.2, 0.9, 0.9])), 0, time_ns=first.time_ns, **JSON)
    browser.until(f"{find('cam/1', '.overlay')}.dataset.late === '300'")
    assert browser.text("cam/1", ".lateness") == "300 ms behind"
    shown.put("cam/1", jpeg(), 2, time_ns=first.time_ns + 5_000_000_000)
    browser.until_drawn("cam/1", 2)
    assert browser.text("cam/1", ".lateness") == "5.0 s behind"
    assert browser.pixel("cam/1", "overlay", 0.1, 0.5)[3] == 0, "too old to be drawn"


def test_results_of_another_source_are_not_drawn_but_shown_as_text(show: Show, browser: Browser) -> None:
    shown = show("cam/1", "labels")
    browser.open(shown.server.url)
    shown.put("cam/1", jpeg(), 0)
    browser.until_drawn("cam/1", 0)
    shown.put("labels", results(("bolt", [0.2, 0.2, 0.8, 0.8])), 0, source="other", **JSON)
    browser.until(f"{find('labels', '.log')}?.textContent.includes('bolt')")
    assert browser.text("cam/1", ".lateness") == "–"


@pytest.mark.parametrize("name", ["<script>document.title='taken'</script>", "<img src=x onerror=alert(1)>", "a & b"])
def test_names_are_text_and_nothing_else(show: Show, browser: Browser, name: str) -> None:
    shown = show("cam/1", "labels", "words")
    browser.open(shown.server.url)
    frame = shown.put("cam/1", jpeg(), 0)
    browser.until_drawn("cam/1", 0)
    shown.put("labels", results((name, [0.2, 0.2, 0.8, 0.8]), labels=(name,)), 0, time_ns=frame.time_ns, **JSON)
    shown.put("words", name.encode(), 0, media_type="text/plain")
    browser.until(f"{find('words', '.log')}?.textContent.includes({json.dumps(name)})")
    browser.until(f"{find('cam/1', '.labels')}.textContent.startsWith({json.dumps(name)})")
    assert browser.js("return document.querySelectorAll('li script, li img, main b').length") == 0
    assert browser.js("return document.title") == "cam/1 labels words · Weft view"


def test_streams_stand_in_a_grid_and_each_has_its_numbers(show: Show, browser: Browser) -> None:
    shown = show("cam/*")
    browser.open(shown.server.url)
    for stream, colour in (("cam/2", BLUE), ("cam/1", RED)):
        shown.put(stream, jpeg(colour), 3)
        browser.until_drawn(stream, 3)
    assert browser.js("return [...document.querySelectorAll('.tile')].map(one => one.dataset.stream)") == [
        "cam/1",
        "cam/2",
    ]
    assert near(browser.pixel("cam/1", "picture", 0.5, 0.5), RED)
    assert near(browser.pixel("cam/2", "picture", 0.5, 0.5), BLUE)
    lefts = browser.js("return [...document.querySelectorAll('.tile')].map(one => one.getBoundingClientRect().left)")
    assert lefts[0] < lefts[1], "side by side"
    for number in count(4):  # it is told while pictures come
        shown.put("cam/1", jpeg(), number)
        browser.until_drawn("cam/1", number)
        if browser.text("cam/1", ".latency").endswith(" ms"):
            break
    assert -20 < float(browser.js(f"return {find('cam/1')}.dataset.latency")) < 10_000
    assert browser.text("cam/1", ".dropped") == "0"


def test_raw_pictures_are_encoded_and_damaged_ones_told(show: Show, browser: Browser) -> None:
    shown = show("cam/1")
    browser.open(shown.server.url)
    raw = {"media_type": "image/x-raw", "headers": {"width": "32", "height": "16", "format": "rgb8"}}
    shown.put("cam/1", bytes(BLUE) * 512, 0, **raw)
    browser.until_drawn("cam/1", 0)
    assert near(browser.pixel("cam/1", "picture", 0.5, 0.5), BLUE)
    shown.put("cam/1", b"short", 1, **raw)
    browser.until(f"{find('cam/1', '.veil')}.textContent.includes('no 32x16 rgb8 picture')")
    shown.put("cam/1", jpeg()[:200] + bytes(300), 2)
    browser.until(f"{find('cam/1')}.dataset.state === 'damaged'")
    shown.put("cam/1", jpeg(RED), 3)
    browser.until_drawn("cam/1", 3)


def test_text_and_json_scroll_in_a_panel(show: Show, browser: Browser) -> None:
    shown = show("log", "data")
    browser.open(shown.server.url)
    browser.until("document.getElementById('connection').textContent === 'Connected'")
    for number in range(300):
        shown.put("log", f"line {number}".encode(), number, media_type="text/plain")
    shown.put("data", b'{"speed": 3}', 0, **JSON)
    browser.until(f"{find('log', 'li:last-child')}?.textContent.endsWith('line 299')")
    browser.until(f"{find('data', 'li')}?.textContent.endsWith('{json.dumps({'speed': 3})}')")
    assert browser.js(f"return {find('log', '.log')}.childElementCount") <= 200


def test_silence_and_absence_are_told(show: Show, browser: Browser) -> None:
    shown = show("cam/1", "cam/2")
    browser.open(shown.server.url)
    browser.until("document.getElementById('empty').textContent === 'Nobody publishes cam/1, cam/2 now.'")
    shown.put("cam/1", jpeg(), 0)
    browser.until_drawn("cam/1", 0)
    browser.until(f"{find('cam/1')}.dataset.state === 'silent'")
    assert browser.text("cam/1", ".veil").startswith("no frames for ")
    shown.publishers["cam/1"].close()
    browser.until(f"{find('cam/1', '.veil')}.textContent.startsWith('nobody publishes it now, no frames for ')")
    shown.trouble.append("the certificate has expired")
    browser.until(f"{find('cam/1', '.veil')}.textContent.includes('no link to the site: the certificate has expired')")


def test_the_page_comes_back_when_the_server_does(show: Show, browser: Browser) -> None:
    shown = show("cam/1")
    browser.open(shown.server.url)
    shown.put("cam/1", jpeg(RED), 0)
    browser.until_drawn("cam/1", 0)
    shown.server.close()
    browser.until("document.getElementById('connection').textContent.startsWith('Not connected: it does not answer')")
    assert browser.text("cam/1", ".veil") == "not connected to the server"
    shown.again()
    browser.until("document.getElementById('connection').textContent === 'Connected'")
    shown.put("cam/1", jpeg(BLUE), 1)
    browser.until_drawn("cam/1", 1)
    assert near(browser.pixel("cam/1", "picture", 0.5, 0.5), BLUE)


def test_pause_keeps_the_picture_and_goes_on_with_the_newest(show: Show, browser: Browser) -> None:
    shown = show("cam/*")
    browser.open(shown.server.url)
    for stream in ("cam/1", "cam/2"):
        shown.put(stream, jpeg(RED), 0)
        browser.until_drawn(stream, 0)
    browser.press_in("cam/1", SPACE)
    browser.until(f"{find('cam/1')}.dataset.state === 'paused'")
    (viewer,) = shown.view.viewers
    for number in range(1, 6):
        shown.put("cam/1", jpeg(BLUE), number)
        shown.put("cam/2", jpeg(BLUE), number)
        browser.until_drawn("cam/2", number)
    assert near(browser.pixel("cam/1", "picture", 0.5, 0.5), RED)
    browser.click("cam/1", ".pause")
    browser.until_drawn("cam/1", 5)
    assert viewer.lanes["cam/1"].dropped == 0, "what nobody wanted is not counted"
    assert browser.js(f"return {find('cam/1', '.pause')}.ariaPressed") == "false"


def test_keys_full_screen_boxes_and_help(show: Show, browser: Browser) -> None:
    shown = show("cam/1", "labels")
    browser.open(shown.server.url)
    frame = shown.put("cam/1", jpeg(), 0)
    browser.until_drawn("cam/1", 0)
    shown.put("labels", results(("bolt", [0.2, 0.2, 0.8, 0.8])), 0, time_ns=frame.time_ns, **JSON)
    browser.until(f"{find('cam/1', '.overlay')}.dataset.late === '0'")
    browser.press("b")
    browser.until("document.getElementById('boxes').ariaPressed === 'false'")
    assert browser.pixel("cam/1", "overlay", 0.2, 0.5)[3] == 0
    browser.press("b")
    assert near(browser.pixel("cam/1", "overlay", 0.2, 0.5), colour_of("bolt"))
    browser.press_in("cam/1", "f")
    browser.until(f"document.fullscreenElement === {find('cam/1')}")
    browser.until(f"{find('cam/1', '.full')}.ariaPressed === 'true'")
    browser.press_in("cam/1", "f")
    browser.until("document.fullscreenElement === null")
    browser.press("?")
    browser.until("document.getElementById('help').open")


def test_it_fits_a_phone_and_has_names_for_those_who_cannot_see(show: Show, browser: Browser) -> None:
    shown = show("cam/*")
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        browser.open(shown.server.url)
        for stream in ("cam/1", "cam/a-name-that-is-much-too-long-for-the-width-of-any-phone-in-the-world"):
            shown.put(stream, jpeg(), 0)
            browser.until_drawn(stream, 0)
        assert browser.js("return document.documentElement.scrollWidth") <= 360
        lefts = browser.js(
            "return [...document.querySelectorAll('.tile')].map(one => one.getBoundingClientRect().left)"
        )
        assert lefts[0] == lefts[1], "one above the other"
        unnamed = "[...document.querySelectorAll('section, button, [role=img], [role=log], dialog, main')]"
        has = "one.ariaLabel || one.textContent.trim() || one.getAttribute('aria-labelledby')"
        assert browser.js(f"return {unnamed}.filter(one => !({has})).length") == 0
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("scheme", "bright"), [("dark", False), ("light", True)])
def test_it_is_dark_or_light_as_the_system_is(show: Show, browser: Browser, scheme: str, bright: bool) -> None:
    shown = show("cam/1")
    wanted = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    browser.open(shown.server.url)
    colour = browser.js("return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (sum(colour) > 382) is bright


def test_a_page_that_may_not_see_says_what_to_do(show: Show, browser: Browser) -> None:
    shown = show("cam/1", address="0.0.0.0:0")
    port = shown.server.url.rsplit(":", 1)[1].split("/")[0]
    browser.open(f"http://127.0.0.1:{port}/?token={shown.server.token}")
    browser.until("document.getElementById('connection').textContent === 'Connected'")
    assert browser.js("return location.search") == "", "the token does not stay in the address"
    browser.driver.delete_all_cookies()
    shown.server.close()
    shown.address = f"0.0.0.0:{port}"
    shown.again()
    browser.until("document.getElementById('notice').textContent.includes('open the address that weft view printed')")
