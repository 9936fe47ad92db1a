"""A real Chromium, without a screen, and what tests ask of a page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import missing

WAIT_S = 30

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--force-color-profile=srgb",
)

_AT = """
const tile = [...document.querySelectorAll('.tile')].find(one => one.dataset.stream === arguments[0]);
const canvas = tile?.querySelector(arguments[1]);
if (!canvas || !canvas.width) return null;
const [x, y] = [arguments[2], arguments[3]];
let [left, top, width, height] = [0, 0, canvas.width, canvas.height];
if (arguments[1] === '.overlay') {
  const picture = tile.querySelector('.picture');
  const scale = Math.min(width / picture.width, height / picture.height);
  [left, top] = [(width - picture.width * scale) / 2, (height - picture.height * scale) / 2];
  [width, height] = [picture.width * scale, picture.height * scale];
}
const at = [Math.round(left + x * (width - 1)), Math.round(top + y * (height - 1))];
return [...canvas.getContext('2d').getImageData(...at, 1, 1).data];
"""


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def clear(self) -> None:
        self.driver.get("about:blank")
        self.driver.delete_all_cookies()

    def js(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def until(self, code: str, *arguments: Any) -> Any:
        """Wait until a JavaScript expression is true; its value."""

        def look(_: object) -> Any:
            return self.js(f"return {code}", *arguments)

        def told() -> str:
            return f"never: {code}\n{self.js('return document.body.innerText')}"

        wait = WebDriverWait(self.driver, WAIT_S, poll_frequency=0.02)
        try:
            return wait.until(look)
        except Exception as error:
            raise AssertionError(told()) from error

    def until_drawn(self, stream: str, sequence: int) -> None:
        """Wait until the picture with that number is on the canvas."""
        self.until(f"{find(stream, '.picture')}?.dataset.sequence === '{sequence}'")

    def pixel(self, stream: str, layer: str, x: float, y: float) -> list[int]:
        """RGBA at a place of the picture, 0..1, of the layer "picture" or "overlay"."""
        found: list[int] = self.js(_AT, stream, f".{layer}", x, y)
        return found

    def text(self, stream: str, selector: str) -> str:
        """What the stream's card says there."""
        return str(self.js(f"return {find(stream, selector)}?.textContent ?? ''"))

    def press(self, key: str, on: str = "body") -> None:
        self.driver.find_element(By.CSS_SELECTOR, on).send_keys(key)

    def press_in(self, stream: str, key: str) -> None:
        """A key while a stream's card has the focus."""
        self.js(f"{find(stream)}.focus()")
        self.driver.switch_to.active_element.send_keys(key)

    def click(self, stream: str, selector: str) -> None:
        self.js(f"{find(stream, selector)}.click()")

    def complaints(self) -> list[str]:
        """Errors in the console since this was last asked; that a server was away is none."""
        return [
            entry["message"]
            for entry in self.driver.execute("getLog", {"type": "browser"})["value"]
            if entry["level"] == "SEVERE"
            and entry["source"] != "network"
            and "WebSocket connection" not in entry["message"]
        ]


def find(stream: str, selector: str = "") -> str:
    """JavaScript for a stream's card, or for something in it."""
    card = f"[...document.querySelectorAll('section')].find(one => one.dataset.stream === {stream!r})"
    return f"{card}?.querySelector({selector!r})" if selector else card


SPACE = Keys.SPACE


@contextmanager
def open_browser(*options: str) -> Iterator[Browser]:
    """Start Chromium. Where it is missing, the test fails in CI, and is skipped elsewhere."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        missing("Chromium", "make languages, or apt-get install chromium chromium-driver")
    wanted = webdriver.ChromeOptions()
    wanted.binary_location = str(binary)
    wanted.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in (*OPTIONS, *(options or ("--window-size=1100,800",))):
        wanted.add_argument(option)
    chrome = webdriver.Chrome(options=wanted, service=webdriver.ChromeService(str(Path(str(driver)))))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()
