"""Says whether a picture is bright or dark. Config: threshold, 0 to 1 (0.5)."""

import weft

SIDE = 32

threshold = 0.5


def init():
    """Called once, before the first frame."""
    global threshold
    threshold = float(weft.config.get("threshold", "0.5"))
    if not 0 < threshold < 1:
        raise ValueError("config threshold must be between 0 and 1")


def handle(frame):
    """Called for every frame; what it returns is sent on. What it raises fails the frame."""
    grey = bytes(frame.picture.pixels(SIDE, SIDE, format="gray8"))
    brightness = sum(grey) / (255 * len(grey))
    bright = brightness >= threshold
    label = {"label": "bright" if bright else "dark", "score": brightness if bright else 1 - brightness}
    return {"labels": [label]}
