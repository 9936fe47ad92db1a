"""Does what a frame's text says: each function below goes by its name, with a dash for each underline."""

import io
import json
import logging
import os
import sys
import time
from pathlib import Path

import helpers
import numpy as np

import weft

log = logging.getLogger("playground")
seen = []
started = weft.config["threshold"]


def handle(frame):
    seen.append(1)
    what, _, rest = frame.text().partition(" ")
    return globals()[what.replace("-", "_")](frame, rest)


def count(frame, rest):
    return str(len(seen))


# what can be returned


def nothing(frame, rest):
    return None


def document(frame, rest):
    return {"ü": [1, 2.5, None], "np": np.float32(0.5), "array": np.arange(3), "set": {2, 1}}


def listing(frame, rest):
    return [1, "two"]


def binary(frame, rest):
    return bytearray(b"\0\xff")


def through(frame, rest):
    return frame


def typed(frame, rest):
    return weft.Emit(b"<a/>", "", "text/xml")


def several(frame, rest):
    return [weft.Emit("one"), weft.Emit({"two": 2})]


def generated(frame, rest):
    weft.emit("first")
    yield "second"
    yield weft.Emit(frame, media_type="x/y")


def half(frame, rest):
    yield "emitted"
    raise ValueError("and then not")


def object_(frame, rest):
    return object()


def not_a_number(frame, rest):
    return {"x": float("nan")}


def elsewhere(frame, rest):
    weft.emit("x", stream="no-such-stream\n")


# what goes wrong


def wrong(frame, rest):
    raise ValueError("wrong:\n" + rest)


def sibling(frame, rest):
    return helpers.fail(rest)


def chained(frame, rest):
    try:
        return helpers.fail(rest)
    except LookupError as error:
        raise RuntimeError("while looking") from error


def leave(frame, rest):
    sys.exit(int(rest or 0))


def interrupt(frame, rest):
    raise KeyboardInterrupt


def recurse(frame, rest):
    return recurse(frame, rest)


def exhaust(frame, rest):
    held = []
    while True:
        held.append(bytearray(1 << 20))


def spin(frame, rest):
    while True:
        pass


def deep(frame, rest):
    value = []
    for _ in range(100_000):
        value = [value]
    return repr(value)


def garbage(frame, rest):
    os.write(1, b"this is no record at all")


def die(frame, rest):
    os._exit(3)


# what it sees


def described(frame, rest):
    return {
        "stream": frame.stream,
        "media_type": frame.media_type,
        "headers": dict(frame.headers),
        "sequence": frame.sequence,
        "time_ns": frame.time_ns,
    }


def size(frame, rest):
    return str(len(frame.payload))


def configured(frame, rest):
    return {"all": dict(weft.config), "started": started, "missing": weft.config.get("no", "none")}


def world(frame, rest):
    return {
        "env": dict(os.environ),
        "library": sorted(path.name for path in Path("/usr/local/lib").iterdir()),
        "secret": helpers.SECRET,
        "argv": sys.argv,
        "unrelated": _importable("unrelated"),
    }


def _importable(name):
    try:
        __import__(name)
    except ImportError as error:
        return str(error)
    return "there"


def tamper(frame, rest):
    found = {}
    for path in ("/usr/local/lib/x", "/weft/x", "/weft/weft/errors.py", "/x", "x", "/tmp/x", "/proc/self/mem"):
        try:
            with Path(path).open("r+b" if path.endswith(".py") else "wb"):
                found[path] = "written"
        except OSError as error:
            found[path] = type(error).__name__
    return found


def connect(frame, rest):
    import socket

    socket.create_connection(("127.0.0.1", 9))


# what it says


def talk(frame, rest):
    print("printed", rest)
    print("half a line", end="")
    print("to standard error", file=sys.stderr)
    log.info("logged %d", 7)
    logging.getLogger("other").error("an error")
    log.debug("nobody sees this")


def chatter(frame, rest):
    for number in range(int(rest)):
        print(number)


def ask_terminal(frame, rest):
    return repr(input())


# pictures and tensors


def picture(frame, rest):
    shown = frame.picture
    pixels = shown.pixels(4, 2)
    grey = shown.pixels(4, 2, format="gray8")
    held = shown.tensor(8, 6, layout="nhwc", dtype="u8")
    return {
        "size": shown.size,
        "pixels": pixels.tolist(),
        "grey": grey.shape,
        "tensor": [held.dtype, held.shape, list(held.data[:6])],
        "whole": shown.pixels().shape,
    }


def pillow(frame, rest):
    from PIL import Image

    image = Image.open(io.BytesIO(frame.payload))
    return {"size": image.size, "mean": float(np.asarray(image.convert("L")).mean())}


def tensors(frame, rest):
    made = weft.Tensor(np.array([[1, 5], [3, 5]], np.int32))
    raw = weft.Tensor(b"\1\2\3\4", dtype="u8", shape=(2, 2))
    return {
        "made": [made.dtype, made.shape, made.values().tolist(), made.top(3)],
        "raw": [raw.dtype, raw.shape, raw.numpy().tolist()],
        "same": bool((np.asarray(made) == made.numpy()).all()),
    }


def many(frame, rest):
    """Each is dropped before the next is made."""
    return str(sum(weft.Tensor(b"x", "u8", (1,)).top(1)[0][1] for _ in range(int(rest))))


def hoard(frame, rest):
    held = []
    try:
        while True:
            held.append(weft.Tensor(b"x", "u8", (1,)))
    except weft.HostError as error:
        return {"kind": error.kind, "said": str(error), "held": len(held)}


def refused(frame, rest):
    return {"refused": weft.model(rest).name}


def remember(frame, rest):
    number = int(weft.state.get("n", b"0")) + 1
    weft.state["n"] = str(number).encode()
    if rest == "and fail":
        raise ValueError("after writing")
    return str(number)


def forget(frame, rest):
    there = "n" in weft.state
    if there:
        del weft.state["n"]
    return json.dumps([there, weft.state.pop("n", None), "n" in weft.state])


def sleep(frame, rest):
    time.sleep(float(rest))
    return "woke"
