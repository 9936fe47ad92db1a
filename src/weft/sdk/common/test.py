"""Tests of @name@. Build it first; then run `python test.py`, or `pytest test.py`."""

import io
import json
from pathlib import Path

from PIL import Image

import weft

MODULE = Path(__file__).with_name("@name@.wasm")


def picture(grey: int) -> weft.Frame:
    """A frame with a picture of one shade, 0 to 255."""
    file = io.BytesIO()
    Image.new("L", (64, 48), grey).save(file, "PNG")
    return weft.Frame(file.getvalue(), media_type="image/png")


def labels(frame: weft.Frame, **config: object) -> list[str]:
    """What the function says of a frame."""
    with weft.load(MODULE, config=config) as function:
        [answer] = function(frame)
    return [label["label"] for label in json.loads(answer.payload)["labels"]]


def test_a_white_picture_is_bright() -> None:
    """And a black one is dark."""
    assert labels(picture(255)) == ["bright"]
    assert labels(picture(0)) == ["dark"]


def test_the_threshold_decides() -> None:
    """It is the function's config."""
    assert labels(picture(100), threshold=0.3) == ["bright"]
    assert labels(picture(100), threshold=0.6) == ["dark"]


def test_what_is_no_picture_fails_its_frame() -> None:
    """The function lives on."""
    refused = False
    with weft.load(MODULE) as function:
        try:
            function(weft.Frame(b"nothing to see", media_type="image/png"))
        except weft.WeftError:
            refused = True
        assert refused
        assert function(picture(255))


if __name__ == "__main__":
    for test in (test_a_white_picture_is_bright, test_the_threshold_decides, test_what_is_no_picture_fails_its_frame):
        test()
        print(f"{test.__name__}: ok")
