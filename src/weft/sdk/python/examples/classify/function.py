"""Names what is in a picture, with the model "net". Config: labels, one per line; top, how many to name (5)."""

import math

import weft

SIDE = 224
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

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
    """Called for every frame. The picture's tensor stays with the host; only the scores come here."""
    picture = frame.picture.tensor(SIDE, SIDE, layout="nchw", dtype="f32", **IMAGENET)
    [scores] = net.run(picture)
    best = scores.top(top)
    largest = best[0][1]
    total = sum(math.exp(score - largest) for score in scores.values())
    return {
        "labels": [
            {"label": name(index), "score": math.exp(score - largest) / total, "index": index} for index, score in best
        ]
    }


def name(index):
    """The label of a class, or "unnamed"."""
    return (labels[index] if index < len(labels) else "") or "unnamed"
