"""``weft run`` of a module, as a user would type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ECHO, LOOP, PRINT, Cli
from weft.cli.debug import debug
from weft.cli.function import function
from weft.cli.main import make_app
from weft.cli.options import option_names
from weft.cli.run import run
from weft.core.resources import guest

Wat = Callable[..., Path]


def words(out: str) -> list[str]:
    """The guest's argv as PRINT shows it."""
    return out.split("\0")[:-1]


def test_a_command_prints_and_its_exit_code_is_passed_on(weft: Cli, wat: Wat) -> None:
    module = wat(PRINT)
    assert weft("run", module, "one").code == 0
    assert weft("run", module, "one", "two", "three").code == 3


def test_words_after_the_module_are_the_guests(weft: Cli, wat: Wat) -> None:
    done = weft("run", wat(PRINT), "in.txt", "-v")
    assert words(done.out) == ["module.wat", "in.txt", "-v"]


def test_our_options_may_stand_on_both_sides_of_the_module(weft: Cli, wat: Wat, tmp_path: Path) -> None:
    module = wat(PRINT)
    done = weft("run", "--memory", "1MiB", module, "word", "--timeout", "5s", "--dir", f"{tmp_path}:/data:ro")
    assert (done.code, words(done.out)) == (0, ["module.wat", "word"])


def test_after_two_dashes_everything_is_the_guests(weft: Cli, wat: Wat) -> None:
    done = weft("run", wat(PRINT), "--", "--timeout", "--help")
    assert words(done.out) == ["module.wat", "--timeout", "--help"]


def test_a_misspelt_option_is_asked_about(weft: Cli, wat: Wat) -> None:
    done = weft("run", wat(PRINT), "--timeuot", "5s")
    assert done.code == 64
    assert "did you mean --timeout?" in done.err
    assert "after --" in done.err


def test_a_picture_among_the_arguments_of_a_reactor_is_told_how_to_get_in(
    weft_process: Cli, wat: Wat, tmp_path: Path
) -> None:
    module = wat(ECHO)
    (tmp_path / "cat.jpg").write_bytes(b"a picture")
    done = weft_process("run", module, "cat.jpg", cwd=tmp_path)
    assert (done.code, done.out) == (64, "")
    assert "and not from 'cat.jpg'\n  cure: redirect it: weft run … < cat.jpg" in done.err
    assert weft_process("run", module, "cat.jpg", stdin=b"hello", cwd=tmp_path).out == "hello\n"
    for words in (["run", module, "no-file"], ["run", "--dir", ".", module, "cat.jpg"]):
        assert weft_process(*words, cwd=tmp_path).code == 0, words


def test_a_reactor_gets_standard_input_as_its_frame(weft_process: Cli, wat: Wat) -> None:
    assert weft_process("run", wat(ECHO), stdin=b"hello").out == "hello\n"


def test_the_classifier_names_the_cat(weft_process: Cli, data: Path) -> None:
    model, labels = data / "models" / "mobilenetv2.onnx", data / "labels" / "imagenet_1000.txt"
    picture = (data / "images" / "cat_720p.jpg").read_bytes()
    done = weft_process(
        "run", guest("classify"), "--model", f"net={model}", "--config", f"labels=@{labels}", stdin=picture
    )
    best = json.loads(done.out)["labels"][0]
    assert (best["index"], best["label"]) == (285, "n02124075 Egyptian cat")
    assert best["score"] == pytest.approx(0.8002, abs=0.02)


def test_a_function_that_comes_with_weft_goes_by_its_name(weft: Cli) -> None:
    assert json.loads(weft("inspect", "weft:classify", "--json").out)["abi"] == "reactor"
    wrong = weft("run", "weft:clasify")
    assert wrong.code == 66
    assert "did you mean 'classify'?" in wrong.err


def test_a_model_that_was_not_granted_is_named_with_the_cure(weft_process: Cli, data: Path) -> None:
    done = weft_process("run", guest("classify"), stdin=(data / "images" / "cat.jpg").read_bytes())
    assert done.code == 70
    assert "no model 'net' was granted" in done.err
    assert "--model net=FILE" in done.err


def test_a_picture_that_is_none_fails_with_a_reason(weft_process: Cli, data: Path) -> None:
    model = data / "models" / "mobilenetv2.onnx"
    done = weft_process("run", guest("classify"), "--model", f"net={model}", stdin=b"no picture")
    assert done.code == 70
    assert "image_tensor" in done.err
    assert "Traceback" not in done.err


def test_an_endless_loop_ends_at_the_time_limit(weft: Cli, wat: Wat) -> None:
    done = weft("run", wat(LOOP), "--timeout", "100ms")
    assert done.code == 124
    assert "ran longer than its 100 ms" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.wasm"], 66, "no such file"),
        (["{folder}/picture.jpg"], 65, "it looks like a JPEG picture"),
        (["{folder}/empty.wasm"], 65, "it is empty"),
        (["{folder}/cut.wasm"], 65, "not valid WebAssembly"),
        (["{folder}/component.wasm"], 65, "component"),
        (["{folder}/module.wat", "--memory", "much"], 64, "'much' is no size"),
        (["{folder}/module.wat", "--timeout", "soon"], 64, "'soon' is no duration"),
        (["{folder}/module.wat", "--model", "net"], 64, "expected NAME=VALUE"),
        (["{folder}/module.wat", "--model", "net=gone.onnx"], 66, "gone.onnx"),
        (["{folder}/module.wat", "--allow", "nn.lod"], 64, "did you mean 'nn.load'?"),
        (["{folder}/module.wat", "--abi", "reacter"], 64, "did you mean 'reactor'?"),
        (["{folder}/module.wat", "--dir", "/no/such/folder"], 64, "no directory"),
        (["{folder}/module.wat", "--dir", ""], 64, "no directory grant"),
        (["{folder}/module.wat", "--memory", "0"], 64, "limits.memory is 0"),
        (["{folder}/module.wat", "--timeout", "0"], 64, "limits.time is 0"),
        (["{folder}/module.wat", "--summary", "s.json", "--quiet"], 64, "--summary, --quiet: only a pipeline"),
        (["{folder}/p.yaml", "--memory", "1MiB", "--trust"], 64, "--memory, --trust: a pipeline says this"),
        (["{folder}/p.yaml", "--engine", "auto", "--timeout", "1s"], 64, "--engine, --timeout: a pipeline says this"),
        (["{folder}/module.wat", "--env", "NOT_SET_ANYWHERE"], 64, "not set"),
        (["{folder}/module.wat", "--config", "labels=@gone.txt"], 66, "gone.txt"),
        ([], 64, "TARGET"),
    ],
)
def test_a_bad_call_says_what_is_wrong(
    weft: Cli, wat: Wat, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    wat(PRINT)
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0 and so on")
    (tmp_path / "empty.wasm").write_bytes(b"")
    (tmp_path / "cut.wasm").write_bytes(guest("classify").read_bytes()[:400])
    (tmp_path / "component.wasm").write_bytes(b"\0asm\x0d\0\x01\0")
    done = weft("run", *[argument.format(folder=tmp_path) for argument in arguments])
    assert (done.code, said in done.err) == (code, True), done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_a_directory_is_seen_only_when_granted(weft: Cli, wat: Wat, tmp_path: Path) -> None:
    prestat = """
    (module
      (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (call $exit (call $prestat (i32.const 3) (i32.const 0)))))
    """
    module = wat(prestat)
    assert weft("run", module).code == 8  # EBADF: nothing is open
    assert weft("run", module, "--dir", tmp_path).code == 0


def test_a_compiled_module_runs_and_one_of_somebody_else_does_not(
    weft: Cli, wat: Wat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = tmp_path / "print.cwasm"
    assert weft("compile", wat(PRINT), "-o", compiled).code == 0
    assert words(weft("run", compiled, "x").out)[1:] == ["x"]
    monkeypatch.setenv("WEFT_CONFIG", str(tmp_path / "somebody-else"))
    refused = weft("run", compiled)
    assert refused.code == 77
    assert "--trust" in refused.err
    assert words(weft("run", "--trust", compiled, "x").out)[1:] == ["x"]


def test_an_interrupt_ends_the_process_with_130(wat: Wat) -> None:
    announce = """
    (module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 64) "ready\\n")
      (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (loop (br 0))))
    """
    command = [sys.executable, "-m", "weft", "run", str(wat(announce))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_that_goes_away_is_no_crash(wat: Wat) -> None:
    module = wat(ECHO)
    done = subprocess.run(
        ["bash", "-c", f"head -c 60000 /dev/zero | {sys.executable} -m weft run {module} | true"],
        capture_output=True,
        env=os.environ,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr


def test_nothing_a_guest_says_steers_the_terminal(weft_process: Cli, wat: Wat) -> None:
    forging = r"""
    (module
      (import "weft" "log" (func $log (param i32 i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\1b[2Jbad\nerror: forged")
      (func (export "weft_handle") (result i32)
        (call $log (i32.const 3) (i32.const 0) (i32.const 21))
        (i32.const 1)))
    """
    done = weft_process("run", wat(forging))
    assert done.code == 70
    assert "\x1b" not in done.err
    assert r"\x1b[2Jbad\nerror: forged" in done.err


@pytest.mark.parametrize("command", [run, function, debug], ids=lambda command: command.__name__)
def test_every_option_of_ours_is_known_where_misspelt_ones_are_asked_about(command: Callable[..., int]) -> None:
    parsed = make_app()[command.__name__].assemble_argument_collection()
    read = {name for argument in parsed for name in argument.names if name.startswith("--")}
    assert set(option_names(command)) == read
    assert "--model" in read or "--break" in read


def test_a_misspelt_option_of_a_function_on_streams_is_asked_about(weft: Cli, wat: Wat) -> None:
    done = weft("function", wat(ECHO), "--observe", "a", "--emit", "b", "--timeuot", "5s")
    assert (done.code, "did you mean --timeout?" in done.err) == (64, True)


def test_an_option_counts_as_written_when_it_says_nothing_of_a_kind(weft: Cli, wat: Wat) -> None:
    done = weft("run", wat(ECHO), "--trace-ratio", "0", "--log-format", "auto")
    assert (done.code, "error: --trace-ratio: only a pipeline has that" in done.err) == (64, True)


def test_a_command_that_waits_for_its_input_ends_at_its_time_too(wat: Wat) -> None:
    wait = """
    (module
      (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))))
    """
    command = [sys.executable, "-m", "weft", "run", str(wat(wait)), "--timeout", "100ms"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert process.wait(timeout=30) == 124
        assert process.stderr is not None
        assert b"waits for its input" in process.stderr.read()


def test_every_limit_can_be_set(weft: Cli, wat: Wat) -> None:
    module = wat(PRINT)
    assert weft("run", module, "--limit", "stdout=4").code != 0
    assert weft("run", module, "--limit", "stdout=1MiB", "--limit", "start=5s", "--limit", "handles=1").code == 0
    assert "did you mean 'stdout'?" in weft("run", module, "--limit", "stdot=4").err


def test_where_the_log_is_json_so_is_the_error(weft: Cli, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("sources: {}\n")
    done = weft("run", tmp_path / "p.yaml", "--log-format", "json")
    record = json.loads(done.err)
    assert (done.code, record["event"], record["error"]) == (78, "error", "DocumentError")


def test_validate_looks_at_engines_and_devices(weft: Cli, data: Path, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"""
sources: {{cam: {{type: pattern, frames: 1}}}}
functions:
  names:
    wasm: weft:classify
    inputs: [cam]
    models: {{net: {{path: {data}/models/identity.onnx, device: cuda}}}}
sinks: {{out: {{type: console, inputs: [names]}}}}
""")
    done = weft("validate", tmp_path / "p.yaml")
    assert done.code == 78
    assert "line 7: functions.names.models.net" in done.err


def test_what_ends_a_pipeline_is_told_once_to_machines(weft_process: Cli, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(b"no video")
    (tmp_path / "p.yaml").write_text(
        "sources: {film: {type: video, path: cut.mp4}}\nsinks: {out: {type: jsonl, path: out.jsonl, inputs: [film]}}\n"
    )
    done = weft_process("run", "p.yaml", "--summary", "s.json", cwd=tmp_path)
    events = {record["event"]: record for record in map(json.loads, done.err.splitlines())}
    assert (done.code, list(events)) == (65, ["summary", "error"])
    assert (events["summary"]["ended"], events["error"]["error"]) == ("error", "MediaError")
    assert done.err.count(events["error"]["what"]) == 1
    written = json.loads((tmp_path / "s.json").read_text())
    assert written["error"] == {key: value for key, value in events["error"].items() if key != "event"}
