"""Python functions in the component form: what they see, say, print and raise, and that they cannot do harm."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.nn.tiny import onnx_identity
from tests.python_functions.prepared import python_cache, python_ready
from weft import Frame, Grants, Limits, load
from weft.core.errors import (
    GuestError,
    GuestFailed,
    LimitError,
    MemoryLimitError,
    OutputLimitError,
    TimeLimitError,
)
from weft.core.limits import StateGrant
from weft.flow.callable import LoadedFunction

__all__ = ["python_cache", "python_ready"]

pytestmark = [pytest.mark.usefixtures("python_ready"), pytest.mark.timeout(400)]
"""The first test waits for the interpreter to be made and compiled."""

Make = Callable[..., LoadedFunction]


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Make]:
    """``function("def handle(frame): …", config=…)`` is a function ready to be called."""
    with ExitStack() as stack:

        def made(text: str, name: str = "f.py", **options: Any) -> LoadedFunction:
            path = tmp_path / name
            path.write_text(text)
            return stack.enter_context(load(path, **options))

        yield made


def said(function: LoadedFunction, frame: Frame | bytes = b"") -> Any:
    """What it answers in JSON."""
    [answer] = function(frame)
    assert answer.media_type == "application/json"
    return json.loads(answer.payload)


def picture(width: int = 8, height: int = 4) -> Frame:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (255, 128, 0)).save(file, "PNG")
    return Frame(file.getvalue(), media_type="image/png")


# --- what it sees and says -------------------------------------------------------------


def test_it_sees_the_whole_frame(function: Make):
    seen = function(
        """
def handle(frame):
    return {"payload": list(frame.payload), "text": frame.text(), "stream": frame.stream, "media": frame.media_type,
            "headers": dict(frame.headers), "sequence": frame.sequence, "time": frame.time_ns}
"""
    )
    frame = Frame(
        b"\x00\xffgr\xc3\xbcn", media_type="a/b", stream="in", sequence=2**40, time_ns=10**18 + 1, headers={"ü": "é"}
    )
    assert said(seen, frame) == {
        "payload": list(frame.payload),
        "text": "\0\ufffdgrün",
        "stream": "in",
        "media": "a/b",
        "headers": {"ü": "é"},
        "sequence": 2**40,
        "time": 10**18 + 1,
    }


@pytest.mark.parametrize("size", [0, 1, 4096, 5 * 2**20 + 1])
def test_bytes_come_and_go_unchanged_however_many(function: Make, size: int):
    echo = function("def handle(frame):\n    return frame.payload")
    payload = bytes(range(256)) * (size // 256 + 1)
    [answer] = echo(payload[:size])
    assert (answer.payload, answer.media_type) == (payload[:size], "application/octet-stream")


@pytest.mark.parametrize(
    ("returned", "payloads"),
    [
        ("None", []),
        ("'text'", [("", "text/plain", b"text")]),
        ("b'bytes'", [("", "application/octet-stream", b"bytes")]),
        ("[1, 'é']", [("", "application/json", b'[1, "\\u00e9"]')]),
        ("frame", [("", "a/b", b"in")]),
        ("weft.Emit('x', 'out', 'm/t')", [("out", "m/t", b"x")]),
        ("(weft.Emit(n, media_type='n/n') for n in 'ab')", [("", "n/n", b"a"), ("", "n/n", b"b")]),
        (
            "weft.emit(b'first') or 'second'",
            [("", "application/octet-stream", b"first"), ("", "text/plain", b"second")],
        ),
    ],
)
def test_what_it_returns_is_emitted(function: Make, returned: str, payloads: list[tuple[str, str, bytes]]):
    emitted = function(f"import weft\ndef handle(frame):\n    return {returned}")(Frame(b"in", media_type="a/b"))
    assert [(frame.stream, frame.media_type, frame.payload) for frame in emitted] == payloads


def test_its_config_is_there_from_the_first_line(function: Make):
    text = "import weft\nA = weft.config['a']\ndef init():\n    global B\n    B = weft.config.get('b', 'none')\n"
    assert said(function(text + "def handle(frame):\n    return [A, B]", config={"a": 1})) == ["1", "none"]


def test_pictures_and_models_stay_with_the_host(function: Make, tmp_path: Path):
    (tmp_path / "net.onnx").write_bytes(onnx_identity("f32", [1, 2, 2, 3]))
    seen = function(
        """
import weft
def handle(frame):
    picture = frame.picture
    tensor = picture.tensor(2, 2, layout="nhwc", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    [out] = weft.model("net").run(tensor)
    again = weft.model("net").run({"x": tensor})["y"]
    made = weft.Tensor(out.data, "f32", [12])
    same = list(again.values()) == list(tensor.values()) == list(made.values())
    return [picture.width, picture.height, list(picture.pixels(1, 1)), list(out.shape), list(out.values()), out.top(2),
            same, len(picture.pixels())]
""",
        models={"net": tmp_path / "net.onnx"},
    )
    values = [1.0, 0.0, -1.0] * 4
    width, height, pixel, shape, elements, top, same, size = said(seen, picture())
    assert (width, height, pixel, shape, same, size) == (8, 4, [255, 128, 0], [1, 2, 2, 3], True, 96)
    assert elements == pytest.approx(values, abs=0.01)
    assert top == [[0, 1.0], [3, 1.0]]


def test_the_largest_of_a_tensor_are_numbers_in_order(function: Make):
    text = """
import weft
from array import array
def handle(frame):
    values = array("f", [1, float("nan"), 3, -1, 3])
    return weft.Tensor(values).top(9)
"""
    assert said(function(text)) == [[2, 3.0], [4, 3.0], [0, 1.0], [3, -1.0]]


def test_a_thousand_tensors_are_let_go(function: Make):
    text = """
def handle(frame):
    for _ in range(100):
        tensor = frame.picture.tensor(64, 64)
    return tensor.dtype
"""
    dropped = function(text, limits=Limits(handles=4))
    for _ in range(10):
        assert dropped(picture())[0].payload == b"f32"


def test_its_state_outlives_it(function: Make, tmp_path: Path):
    text = """
import weft
def handle(frame):
    count = int(weft.state.get("count", b"0")) + 1
    weft.state["count"] = str(count).encode()
    if frame.payload == b"fail":
        raise ValueError
    return {"count": count}
"""
    grants = Grants(state=StateGrant(tmp_path / "state.db"))
    counter = function(text, grants=grants, instance="fresh")
    with pytest.raises(GuestFailed):
        counter(b"fail")
    assert [said(counter) for _ in range(2)] == [{"count": 1}, {"count": 2}], "what a failed frame wrote is not kept"


def test_modules_beside_it_are_part_of_it(function: Make, tmp_path: Path):
    (tmp_path / "helper.py").write_text("from parts import one\nVALUE = one.NAME\nimport random as own\n")
    (tmp_path / "random.py").write_text("NAME = 'not the library'\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "one.py").write_text("from . import two\nNAME = two.__name__, __file__\n")
    (tmp_path / "parts" / "two.py").write_text("")
    text = "import helper\ndef handle(frame):\n    return [*helper.VALUE, helper.own.NAME]"
    assert said(function(text)) == ["parts.two", "parts/one.py", "not the library"]


# --- one instance is not like another --------------------------------------------------


def test_no_two_instances_draw_the_same_numbers(function: Make):
    text = """
import os, random, time, uuid
AT = time.time()
def handle(frame):
    return {"numbers": [random.random(), os.urandom(4).hex(), str(uuid.uuid4())], "time": AT}
"""
    fresh = function(text, instance="fresh")
    answers = [said(fresh) for _ in range(3)]
    for drawn in zip(*(answer["numbers"] for answer in answers), strict=True):
        assert len(set(drawn)) == 3
    times = [answer["time"] for answer in answers]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000


def test_a_fresh_instance_knows_nothing_of_the_one_before(function: Make):
    text = "n = 0\ndef handle(frame):\n    global n\n    n += 1\n    return [n]"
    assert [said(function(text)) for _ in range(2)] == [[1], [1]]
    reused, fresh = function(text), function(text, instance="fresh")
    assert [said(reused) for _ in range(3)] == [[1], [2], [3]]
    assert [said(fresh) for _ in range(3)] == [[1], [1], [1]]


def test_no_instance_can_change_the_code_of_the_next(function: Make):
    text = """
import importlib
def handle(frame):
    host = importlib.import_module("wit_world.imports.program")
    host.keep_compiled("something else")
    return [host.compiled() == "something else"]
"""
    fresh = function(text, instance="fresh")
    assert [said(fresh) for _ in range(3)] == [[False]] * 3


# --- prints and logs -------------------------------------------------------------------


def test_what_it_prints_and_logs_is_logged(function: Make, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "weft.guest")
    chatty = function(
        """
import logging, sys
def handle(frame):
    print("printed", 1)
    print("no end", end="")
    print("warned", file=sys.stderr)
    logging.getLogger("part").error("logged %s", "it")
    logging.info("known")
"""
    )
    assert chatty(b"") == []
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "printed 1"),
        ("WARNING", "warned"),
        ("ERROR", "part: logged it"),
        ("INFO", "root: known"),
        ("INFO", "no end"),
    ]


# --- what goes wrong -------------------------------------------------------------------


def test_an_exception_fails_the_frame_with_the_functions_own_lines(function: Make):
    text = """
import json
seen = 0
def handle(frame):
    global seen
    seen += 1
    if frame.payload == b"?":
        return {"seen": seen}
    try:
        return parse(frame.text())
    except ValueError as error:
        raise RuntimeError("cannot be read") from error
def parse(text):
    return json.loads(text)
"""
    broken = function(text, "broken.py")
    with pytest.raises(GuestFailed) as caught:
        broken(b"{")
    told = caught.value.what
    for part in (
        'File "broken.py", line 10, in handle',
        "return parse(frame.text())",
        'File "broken.py", line 14, in parse',
        "JSONDecodeError: Expecting property name",
        "RuntimeError: cannot be read",
    ):
        assert part in told
    assert "weft/" not in told
    assert "/json/" not in told
    assert "cannot be read" in json.dumps(caught.value.record())
    assert said(broken, b"?") == {"seen": 2}, "the same instance goes on"


def test_a_traceback_from_a_later_instance_has_its_lines_too(function: Make):
    broken = function("def handle(frame):\n    return 1 / 0  # this line", instance="fresh")
    for _ in range(2):
        with pytest.raises(GuestFailed, match="# this line"):
            broken()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import math\nX = math.sqrt(-1)\ndef handle(frame): ...", "line 2, in <module>"),
        ("def init():\n    raise KeyError('no labels')\ndef handle(frame): ...", "KeyError: 'no labels'"),
        ("def hanlde(frame): ...", "has no `def handle\\(frame\\)`"),
        ("import sys\nsys.exit(4)", "SystemExit: 4"),
        ("import helper\ndef handle(frame): ...", 'File "helper.py", line 1'),
    ],
)
def test_what_fails_at_the_start_fails_the_start(function: Make, tmp_path: Path, text: str, told: str):
    (tmp_path / "helper.py").write_text("open('/etc/passwd')")
    with pytest.raises(GuestError, match=told):
        function(text)()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("while True: pass", TimeLimitError),
        ("x = []\n    while True: x.append(bytearray(2**20))", GuestError),
        ("def f(n): return f(n + 1) + 1\n    return f(0)", GuestFailed),
        ("import json; return json.loads('[' * 10**6)", GuestError),
        ("import sys; sys.exit(0)", GuestFailed),
        ("import os; os._exit(0)", GuestError),
        ("import os; os.abort()", GuestError),
        ("return b'x' * 2**22", OutputLimitError),
        ("return [weft.Emit('x')] * 2000", LimitError),
        ("return object()", GuestFailed),
        ("return {'x': float('nan')}", GuestFailed),
        ("raise BaseException('odd')", GuestFailed),
        ("class E(Exception):\n        __str__ = None\n    raise E", GuestFailed),
        ("return weft.model('none')", GuestFailed),
        ("frame.picture.width", GuestFailed),
        ("import gc; gc.collect(); weft.Tensor(b'123', 'f32', [1])", GuestFailed),
    ],
)
def test_whatever_it_does_only_its_frame_fails(function: Make, body: str, error: type[GuestError]):
    text = f"import weft\ndef handle(frame):\n    if frame.payload == b'?': return 'well'\n    {body}"
    seconds = 1.0 if error is TimeLimitError else 20.0
    limits = Limits(time=seconds, output=2**20, emits=1000, memory=96 * 2**20)
    nasty = function(text, limits=limits)
    for _ in range(2):
        with pytest.raises(error):
            nasty(b"")
        assert nasty(b"?")[0].payload == b"well"


def test_memory_that_is_refused_is_a_memory_error(function: Make):
    text = "def handle(frame):\n    try:\n        bytearray(2**30)\n    except MemoryError:\n        return 'refused'"
    assert function(text, limits=Limits(memory=64 * 2**20))()[0].payload == b"refused"
    with pytest.raises((MemoryLimitError, GuestFailed), match=r"(?i)memory"):
        function("x = bytearray(2**30)\ndef handle(frame): ...", limits=Limits(memory=64 * 2**20))()


def test_there_is_no_way_out_of_the_sandbox(function: Make):
    tries = function(
        """
def handle(frame):
    import importlib, os
    outcomes = []
    for attempt in (
        lambda: open("/etc/passwd"),
        lambda: os.listdir("/"),
        lambda: open("new", "w"),
        lambda: importlib.import_module("socket").create_connection(("127.0.0.1", 80)),
        lambda: importlib.import_module("subprocess").run(["true"]),
        lambda: os.environ["PATH"],
    ):
        try:
            outcomes.append(repr(attempt()))
        except Exception as error:
            outcomes.append(None)
    return outcomes
"""
    )
    outcomes = said(tries)
    assert [outcome for outcome in outcomes if outcome not in {None, "[]"}] == []


def test_granted_directories_are_there(function: Make, tmp_path: Path):
    from weft.core.limits import DirGrant

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("granted")
    grants = Grants(dirs=(DirGrant(tmp_path / "data", "/data", writable=False),))
    reader = function("def handle(frame):\n    return open('/data/a.txt').read()", grants=grants)
    assert reader()[0].payload == b"granted"
