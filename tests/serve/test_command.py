"""``weft serve`` as a user starts and stops it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from wasmtime import wat2wasm

from tests.cli.conftest import ECHO
from weft.cli.main import main
from weft.cli.serve_options import Listening, ServedModels
from weft.core.errors import NotFoundError, UsageError
from weft.nn.service import ModelService
from weft.serve.models.service import Models


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "weft", "serve", "--port", "0", "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, json.loads(line)["url"]
    finally:
        process.kill()
        process.communicate()


def test_it_serves_until_it_is_told_to_stop(tiny: Callable[..., Path]):
    with serving("--model", f"net={tiny()}", "--access-log") as (process, url):
        while httpx.get(f"{url}/v2/health/ready").status_code != 200:
            pass
        asked = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
        assert httpx.post(f"{url}/v2/models/net/infer", json=asked).json()["outputs"][0]["data"] == [1, 2, 3, 4]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    messages = [json.loads(line)["message"] for line in errors.splitlines()]
    assert any("/v2/models/net/infer 200" in message for message in messages)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--model", "net"], 64, "NAME=VALUE"),
        (["--model", "net=missing.onnx"], 66, "missing.onnx"),
        (["--model", "n/x=missing.onnx"], 64, "no version"),
        (["--port", "70000"], 64, "port 70000"),
        (["--max-body", "many"], 64, "no size"),
    ],
)
def test_what_cannot_be_meant(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["serve", *words]) == code
    assert said in capsys.readouterr().err


def filled(**words: list[str]) -> Models:
    models = Models(ModelService())
    ServedModels(**words).fill(models)
    return models


def test_settings_are_for_all_models_or_for_one(tiny: Callable[..., Path]):
    path = tiny()
    models = filled(
        model=[f"a={path}", f"b={path}", f"b/2={path}"],
        max_batch=["4", "b=8"],
        timeout=["a=none"],
        batch_window=["2ms"],
        queue=["b=0"],
    )
    specs = {one.where: one.spec for one in models.versions()}
    assert {name: spec.max_batch for name, spec in specs.items()} == {"a/1": 4, "b/1": 8, "b/2": 8}
    assert specs["a/1"].timeout_s == float("inf")
    assert specs["b/2"].batch_window_s == 0.002
    assert (specs["a/1"].queue, specs["b/1"].queue) == (256, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"max_batch": ["c=8"]}, "no such model"),
        ({"max_batch": ["eight"]}, "no number"),
        ({"max_batch": ["1", "2"]}, "twice"),
        ({"max_batch": ["0"]}, "max_batch is 0"),
        ({"timeout": ["soon"]}, "no duration"),
        ({"labels": ["c=x.txt"]}, "no such model"),
    ],
)
def test_settings_that_cannot_be(tiny: Callable[..., Path], words: dict[str, list[str]], said: str):
    with pytest.raises(UsageError, match=said):
        filled(model=[f"net={tiny()}"], **words)


def test_labels_that_are_not_there(tiny: Callable[..., Path]):
    with pytest.raises(NotFoundError):
        filled(model=[f"net={tiny()}"], labels=["net=none.txt"])


def test_limits_are_read(tiny: Callable[..., Path]):
    settings = Listening(max_body="1MiB", max_bodies="10MiB", drain="5s", port=0).settings()
    assert (settings.max_body, settings.max_bodies, settings.drain_s) == (2**20, 10 * 2**20, 5.0)


def test_functions_are_served_with_their_settings(tmp_path: Path):
    module = tmp_path / "echo.wasm"
    module.write_bytes(wat2wasm(ECHO))
    words = [
        "--function",
        f"f={module}",
        "--function",
        f"g={module}",
        "--function-queue",
        "f=0",
        "--function-body",
        "1KiB",
    ]
    with serving(*words, "--function-instances", "1", "--function-timeout", "none") as (_, url):
        while httpx.get(f"{url}/v2/health/ready").status_code != 200:
            pass
        assert httpx.post(f"{url}/functions/g", content=b"abc").content == b"abc"
        found = [httpx.get(f"{url}/functions/{name}").json() for name in "fg"]
        assert httpx.post(f"{url}/functions/g", content=b"x" * 1025).status_code == 413
    assert [(one["queue"], one["instances"], one["timeout_s"]) for one in found] == [(0, 1, None), (64, 1, None)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--function", "f"], 64, "NAME=VALUE"),
        (["--function", "f=missing.wasm"], 66, "missing.wasm"),
        (["--function-queue", "g=1"], 64, "no such function"),
        (["--function-queue", "1", "--function-queue", "2"], 64, "twice"),
        (["--preprocess", "net=x.wasm"], 64, "no such model"),
    ],
)
def test_functions_that_cannot_be_meant(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["serve", *words]) == code
    assert said in capsys.readouterr().err


def test_a_document_without_the_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "echo.wasm").write_bytes(wat2wasm(ECHO))
    document = tmp_path / "functions.yaml"
    document.write_text("functions: {echo: {wasm: echo.wasm, inputs: [x]}}\nstreams: {}\n")
    assert main(["serve", "--function", f"eko={document}"]) == 66
    assert "name one of echo" in capsys.readouterr().err
