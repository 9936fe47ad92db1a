"""Names what is in a picture, with the model "net" and numpy. Config: labels, one per line; top, how many (5)."""

import numpy as np

import weft

SIDE = 224
MEAN = np.array((0.485, 0.456, 0.406), np.float32)
STD = np.array((0.229, 0.224, 0.225), np.float32)

labels = []
top = 5
net = None


def init():
    """Called once, before the first frame."""
    global labels, top, net
    top = int(weft.config.get("top", "5"))
    if top < 1:
        raise ValueError("config top must be 1 or more")
    labels = [line.strip() for line in weft.config.get("labels", "").split("\n")]
    net = weft.model("net")


def handle(frame):
    """Called for every frame. The host resizes the picture; the rest is numpy, in the sandbox."""
    pixels = frame.picture.pixels(SIDE, SIDE).astype(np.float32) / 255
    batch = ((pixels - MEAN) / STD).transpose(2, 0, 1)[np.newaxis]
    [scores] = net.run(batch)
    scores = scores.numpy().reshape(-1)
    scores = np.exp(scores - scores.max())
    scores /= scores.sum()
    best = np.argsort(-scores, kind="stable")[:top]
    return {"labels": [{"label": name(index), "score": scores[index], "index": index} for index in best]}


def name(index):
    """The label of a class, or "unnamed"."""
    return (labels[index] if index < len(labels) else "") or "unnamed"
