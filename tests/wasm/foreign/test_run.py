"""Existing functions on the command line, as other runtimes take them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wasm.foreign.conftest import Foreign
from tests.wasm.foreign.test_wasmedge import best_five

MODEL, PICTURE = "models/mobilenet_v2_quant.tflite", "images/whale.jpg"
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def weft(data: Path) -> Run:
    """``weft("run", "x.wasm")`` in the folder of the reference data."""

    def run(*words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "weft", *map(str, words)]
        source = Path(__file__).parents[3] / "src"
        environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        return subprocess.run(
            command, input=stdin, capture_output=True, cwd=data, env=environment, timeout=60, check=False
        )

    return run


def test_a_granted_model_by_the_name_default(weft: Run, foreign: Foreign, data: Path) -> None:
    done = weft("run", foreign("nn_files"), "--dir", ".:.", "--model", f"default={MODEL}", MODEL, PICTURE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == best_five(data / MODEL, data / PICTURE)


def test_a_model_read_from_a_granted_directory(weft: Run, foreign: Foreign, data: Path) -> None:
    done = weft("run", "--dir", ".:.", "--allow", "nn.load", foreign("nn_files"), MODEL, PICTURE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == best_five(data / MODEL, data / PICTURE)


def test_a_refused_model_says_how_to_grant_it(weft: Run, foreign: Foreign) -> None:
    done = weft("run", foreign("lite_first"), "--dir", ".:.", MODEL, PICTURE)
    assert done.returncode == 11
    assert b"the guest brings its own model, which was not granted" in done.stderr
    assert b"--allow nn.load" in done.stderr


@pytest.mark.parametrize(
    ("guest", "words", "printed"),
    [
        ("yomo_first", (), b"HELLO\n"),
        ("yomo_third", (), b""),
        ("bindgen_env", ("shout",), b"HELLO\n"),
        ("bindgen_returned", ("--config", "function=shout"), b"HELLO\n"),
    ],
)
def test_a_function_of_any_abi_is_tried_on_standard_input(
    weft: Run, foreign: Foreign, guest: str, words: tuple[str, ...], printed: bytes
) -> None:
    done = weft("run", foreign(guest), *words, stdin=b"hello")
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


def test_inspect_tells_the_abi_and_the_grants(weft: Run, foreign: Foreign) -> None:
    found = json.loads(weft("inspect", foreign("lite_first"), "--json").stdout)
    assert found["abi"] == "command"
    assert found["unknown"] == []
    assert "its own model bytes: --allow nn.load" in found["grants"]
    found = json.loads(weft("inspect", foreign("wamr"), "--json").stdout)
    assert found["grants"][:2] == ["a model by name: --model NAME=FILE", "its own model bytes: --allow nn.load"]
    assert json.loads(weft("inspect", foreign("yomo_second"), "--json").stdout)["abi"] == "yomo"
    assert json.loads(weft("inspect", foreign("bindgen_js"), "--json").stdout)["abi"] == "bindgen"


PIPELINE = """
sources:
  words:
    type: lines
    path: words.txt
    stream: tag/0x33
functions:
  upper:
    wasm: {first}
    inputs: [tag/0x33]
    outputs: [tag/0x34]
  again:
    wasm: {second}
    inputs: [tag/0x34]
sinks:
  out:
    type: jsonl
    inputs: [again]
    path: out.jsonl
"""


def test_tags_are_streams_in_a_pipeline(weft: Run, foreign: Foreign, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    (tmp_path / "p.yaml").write_text(PIPELINE.format(first=foreign("yomo_first"), second=foreign("bindgen_env")))
    done = weft("run", tmp_path / "p.yaml", "--quiet")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert ["ONE" in json.dumps(lines[0]), "TWO" in json.dumps(lines[1]), len(lines)] == [True, True, 2], lines


@pytest.mark.parametrize(
    ("imported", "what", "cure"),
    [
        (
            '"wasmedge_tensorflow" "create_sesion" (func)',
            "wasmedge_tensorflow.create_sesion",
            "did you mean 'wasmedge_tensorflow.create_session'? What allows it: models by name (models:, --model); "
            "the guest's own bytes with nn.load (allow:, --allow)",
        ),
        ('"wasi_nn" "get_outputs" (func)', "wasi_nn.get_outputs", "did you mean 'wasi_nn.get_output'?"),
        ('"env" "yomo_wriet" (func)', "env.yomo_wriet", "did you mean 'env.yomo_write'?"),
        ('"env" "yomo_http_send" (func)', "env.yomo_http_send", "a guest has no network"),
        (
            '"env" "emscripten_memcpy" (func)',
            "env.emscripten_memcpy",
            "env has return_error, return_result, yomo_context_",
        ),
        ('"wbg" "__wbg_log_1234" (func)', "wbg.__wbg_log_1234", "wasm-bindgen made it for JavaScript"),
        ('"wasi_unstable" "fd_write" (func)', "wasi_unstable.fd_write", "WASI's first draft"),
        ('"nowhere" "zzzz" (func)', "nowhere.zzzz", "Weft provides env, wasi_ephemeral_nn"),
    ],
)
def test_an_unknown_import_names_the_nearest_and_what_allows_it(
    weft: Run, tmp_path: Path, imported: str, what: str, cure: str
) -> None:
    module = tmp_path / "m.wat"
    module.write_text(f'(module (import {imported}) (func (export "_start")))')
    done = weft("run", module)
    assert done.returncode == 65
    assert f"imports {what}, which no host module provides" in done.stderr.decode()
    assert cure in done.stderr.decode().replace("\n", " ")
