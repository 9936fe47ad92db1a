"""The commands, as a new user tries them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.artifacts.conftest import Served
from tests.artifacts.front import Answer, front
from tests.cli.conftest import Done
from weft import Pipeline, load
from weft.artifacts.digest import digest_of
from weft.core.resources import guest
from weft.flow.remote import local_pipeline
from weft.spec.pipeline import load_pipeline

Cli = Callable[..., Done]
CACHE = ("cache list", "cache verify", "cache gc")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on this is another machine."""

    def away() -> None:
        monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "elsewhere"))

    return away


@pytest.mark.parametrize(
    "words",
    ["push", "pull", *(f"model {verb}" for verb in ("push", "pull", "list", "show", "rm")), *CACHE],
)
def test_every_command_has_help_with_an_example(weft: Cli, words: str) -> None:
    done = weft(*words.split(), "--help")
    assert done.code == 0
    assert f"weft {words}" in done.out.replace("\n", " ")


def test_a_function_is_pushed_pulled_and_run(
    weft: Cli,
    weft_process: Cli,
    registry: Served,
    echo: Path,
    forget: Callable[[], None],
    tmp_path: Path,
) -> None:
    name = f"{registry.host}/cli/echo:1"
    pushed = json.loads(weft("push", echo, name, "--annotation", "a=b", "--json").out)
    assert set(pushed["blobs"].values()) == {"sent"}
    forget()
    done = weft_process("run", f"oci://{name}", stdin=b"hello")
    assert (done.code, done.out) == (0, "hello\n"), done.err
    pinned = f"oci://{registry.host}/cli/echo@{pushed['digest']}"
    assert weft_process("run", pinned, "--offline", stdin=b"again").out == "again\n"
    pulled = json.loads(weft("pull", name, "-o", tmp_path / "out.wasm", "--json").out)
    assert (pulled["kind"], pulled["fetched"], pulled["digest"]) == ("wasm", 0, pushed["digest"])
    assert (tmp_path / "out.wasm").read_bytes() == echo.read_bytes()
    (tmp_path / "out.wasm").write_bytes(b"mine to change")
    assert "echo.wasm" in weft("pull", name).out
    assert weft("inspect", f"oci://{name}").code == 0


def test_a_component_tells_what_it_takes_and_gives(weft: Cli, registry: Served, tmp_path: Path) -> None:
    import wasmtime

    component = tmp_path / "c.wasm"
    component.write_bytes(wasmtime.wat2wasm('(component (import "wasi:io/poll@0.2.0" (instance)))'))
    weft("push", component, f"{registry.host}/cli/component:1")
    shown = weft("pull", f"{registry.host}/cli/component:1", "--json")
    assert json.loads(shown.out)["kind"] == "wasm"


def test_a_models_way(
    weft: Cli,
    registry: Served,
    data: Path,
    forget: Callable[[], None],
    tmp_path: Path,
) -> None:
    model, labels = data / "models" / "identity.onnx", tmp_path / "labels.txt"
    labels.write_text("a\nb\n")
    name = f"{registry.host}/cli/identity:1"
    assert f"oci://{name}@sha256:" in weft("model", "push", model, labels, name).out
    forget()
    assert json.loads(weft("model", "list", "--json").out) == []
    (tmp_path / "out").mkdir()
    pulled = weft("model", "pull", name, "-o", tmp_path / "out")
    assert (tmp_path / "out" / "identity.onnx").read_bytes() == model.read_bytes()
    assert "labels.txt" in pulled.out
    [entry] = json.loads(weft("model", "list", "--json").out)
    assert entry["reference"] == f"oci://{name}"
    assert "identity:1" in weft("model", "list").out
    shown = json.loads(weft("model", "show", f"oci://{name}", "--json").out)
    assert shown["digest"] == digest_of(model.read_bytes())
    assert weft("model", "rm", name).out == f"oci://{name} is forgotten\n"
    gone = weft("model", "rm", name)
    assert (gone.code, "cure:" in gone.err) == (66, True)
    assert "nothing" in weft("model", "list").out


def test_a_model_by_reference_is_what_a_function_gets(
    weft_process: Cli,
    weft: Cli,
    registry: Served,
    data: Path,
    forget: Callable[[], None],
) -> None:
    models = data / "models"
    name = f"{registry.host}/cli/mobilenet:2"
    weft("model", "push", models / "mobilenetv2.onnx", name)
    weft("push", guest("classify"), f"{registry.host}/cli/classify:1")
    forget()
    picture = next(path for path in sorted(data.rglob("*.jpg")) if "cat" in path.name.lower())
    words = ("run", f"oci://{registry.host}/cli/classify:1", "--model", f"net=oci://{name}")
    remote = weft_process(*words, stdin=picture.read_bytes())
    local = weft_process(
        "run", guest("classify"), "--model", f"net={models / 'mobilenetv2.onnx'}", stdin=picture.read_bytes()
    )
    assert remote.code == 0, remote.err
    assert remote.out == local.out


def test_a_pipeline_names_references(registry: Served, weft: Cli, echo: Path, tmp_path: Path) -> None:
    name, labelled = f"{registry.host}/cli/piped:1", f"{registry.host}/cli/labelled:1"
    weft("push", echo, name)
    (tmp_path / "lines.txt").write_text("a\nb\n")
    (tmp_path / "net.onnx").write_bytes(b"net")
    weft("model", "push", tmp_path / "net.onnx", tmp_path / "lines.txt", labelled)
    document = tmp_path / "p.yaml"
    document.write_text(
        "sources: {in: {type: lines, path: lines.txt}}\n"
        f"functions: {{f: {{wasm: 'oci://{name}', inputs: [in], config: {{said: '@oci://{labelled}#lines.txt'}}}}}}\n"
        "sinks: {out: {type: jsonl, path: out.jsonl, inputs: [f]}}\n"
    )
    assert weft("validate", document).code == 0
    made = local_pipeline(load_pipeline(document)).functions["f"]
    assert Path(str(made.wasm)).name == "echo.wasm"
    assert Path(made.config["said"].removeprefix("@")).read_text() == "a\nb\n"
    Pipeline.load(document).run()
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_a_program_loads_by_reference(registry: Served, weft: Cli, echo: Path) -> None:
    weft("push", echo, f"{registry.host}/cli/loaded:1")
    with load(f"oci://{registry.host}/cli/loaded:1") as function:
        assert function(b"hi")[0].payload == b"hi"


def test_a_function_at_a_url_runs(weft_process: Cli, echo: Path) -> None:
    with front("127.0.0.1:1", lambda asked: Answer(200, {}, echo.read_bytes())) as made:
        name = f"http://{made.host}/echo.wasm#sha256={digest_of(echo.read_bytes())[7:]}"
        assert weft_process("run", name, stdin=b"hello").out == "hello\n"
        without = weft_process("run", name.partition("#")[0])
        assert (without.code, "sha256sum" in without.err) == (64, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "oci://HOST/no/such:1"), 66, "check the name"),
        (("run", "oci://HOST/no/such:1", "--offline"), 69, "offline"),
        (("pull", "HOST/no/such"), 64, "neither a tag nor a digest"),
        (("pull", "no-registry:1"), 64, "names no registry"),
        (("model", "push", "HOST/a:1"), 64, "files and a reference"),
        (("push", "text.wasm", "HOST/a:1"), 65, "no WebAssembly"),
        (("model", "push", "labels.txt", "HOST/a:1"), 64, "no model among"),
        (("model", "push", "echo.wasm", "HOST/a:1"), 65, "weft push sends functions"),
        (("cache", "gc", "--size", "x"), 64, "no size"),
        (("pull", "127.0.0.1:1/a:1"), 69, "no connection: Connection refused"),
    ],
)
def test_mistakes_are_told_with_their_cure(
    weft: Cli,
    registry: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wasm").write_text("text")
    (tmp_path / "labels.txt").write_text("a\n")
    (tmp_path / "echo.wasm").write_bytes(b"\0asm\1\0\0\0")
    done = weft(*(word.replace("HOST", registry.host) for word in words))
    assert done.code == code, done.err
    assert said in done.err
    assert "cure:" in done.err
    assert "Traceback" not in done.err


def test_the_cache_is_listed_checked_and_emptied(weft: Cli, registry: Served, echo: Path) -> None:
    name = f"{registry.host}/cli/cached:1"
    weft("push", echo, name)
    weft("inspect", f"oci://{name}")
    listed = weft("cache", "list").out
    assert f"oci://{name}" in listed
    assert "compiled modules" in listed
    found = json.loads(weft("cache", "list", "--json").out)
    assert found["artifacts"][0]["kind"] == "wasm"
    assert weft("cache", "verify").code == 0
    blob = Path(found["folder"]) / "blobs" / digest_of(echo.read_bytes())[7:]
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
    broken = weft("cache", "verify")
    assert broken.code == 65
    assert f"weft pull {name}" in broken.out
    assert weft("pull", name).code == 0
    assert json.loads(weft("cache", "verify", "--json").out)["damaged"] == []
    weft("model", "rm", name)
    would = json.loads(weft("cache", "gc", "--grace", "0s", "--dry-run", "--json").out)
    assert would["blobs"] == 3
    assert "freed" in weft("cache", "gc", "--grace", "0s").out
    assert json.loads(weft("cache", "list", "--json").out)["artifacts"] == []


def test_a_terminal_sees_how_far_it_is(registry: Served, weft: Cli, tmp_path: Path, forget: Callable[[], None]) -> None:
    (tmp_path / "big.onnx").write_bytes(os.urandom(2 << 20))
    weft("model", "push", tmp_path / "big.onnx", f"{registry.host}/cli/big:1")
    forget()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "weft", "model", "pull", f"{registry.host}/cli/big:1"]
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        out, _ = process.communicate(timeout=60)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # as a terminal's end is told
                break
            if not piece:
                break
            seen += piece
    os.close(ours)
    assert process.returncode == 0
    assert b"big.onnx" in out
    assert b"big.onnx" in seen


@pytest.mark.parametrize("name", ["registry.example/ml/classify:1.2", "localhost:5000/a:1", "host/repo:1"])
def test_a_bare_name_of_a_registry_is_told_how_it_is_run(weft: Cli, name: str) -> None:
    done = weft("run", name)
    assert (done.code, f"write oci://{name}" in done.err) == (66, True)


@pytest.mark.parametrize("name", ["folder/classify.wasm", "./classify:1", "folder/classify@1"])
def test_a_path_that_is_not_there_is_no_reference(weft: Cli, name: str) -> None:
    done = weft("run", name)
    assert (done.code, "oci://" in done.err) == (66, False)
