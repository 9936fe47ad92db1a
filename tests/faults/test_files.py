"""Files that are not what they are taken for: modules, models, documents, config values."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import weft as weft_package
from tests.faults.conftest import Done, Guests, Ran, lines, write_pipeline
from weft.core import files
from weft.core.errors import InputError, MediaError, ModelError, ModuleError, NotFoundError, WeftError
from weft.flow.pipeline import Pipeline
from weft.media.sources.lines import LinesSource
from weft.media.sources.video import VideoSource

Weft = Callable[..., Done]
Run = Callable[..., Ran]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes are given up at once."""
    monkeypatch.setattr(files, "PATIENCE_S", 0.01)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\0asm", "it starts with"),
        (b"\0asm\x01\0\0\0\x01\xff", "not valid WebAssembly"),
        (b"(module (func", "does not parse"),
        (b"WEFTCW1\n", "damaged"),
        (b"\x7fELF" + bytes(60), "Weft did not compile"),
        (random.Random(1).randbytes(4096), "not a WebAssembly module"),
    ],
)
def test_what_is_no_module_is_refused_by_every_way_in(called: Weft, tmp_path: Path, content: bytes, said: str) -> None:
    module = tmp_path / "bad.wasm"
    module.write_bytes(content)
    with pytest.raises(WeftError, match=said) as raised:
        weft_package.load(module)
    assert raised.value.cure or "line" in raised.value.what or "parse" in raised.value.what
    called("run", module).told(raised.value.exit_code, said)
    called("inspect", module).told(raised.value.exit_code, said)
    document = write_pipeline(tmp_path, lines(tmp_path, "a"), {"wasm": "bad.wasm"})
    called("validate", document).told(78, said)
    called("run", document, "--log-format", "text").told(raised.value.exit_code, said)
    assert not (tmp_path / "out.jsonl").exists()


def test_every_cut_of_a_module_is_refused(guests: Guests, tmp_path: Path) -> None:
    whole, cut = guests("echo").read_bytes(), tmp_path / "cut.wasm"
    for size in (*range(1, 64), *range(64, len(whole) - 1, 997)):
        cut.write_bytes(whole[:size])
        with pytest.raises(ModuleError):
            weft_package.load(cut).close()


@pytest.mark.parametrize("name", ["mnist.onnx", "mobilenet_v1_025_128_quant.tflite", "plus3.pb"])
def test_a_truncated_model_is_told_before_the_first_frame(
    called: Weft, guests: Guests, data: Path, tmp_path: Path, name: str
) -> None:
    whole, cut = (data / "models" / name).read_bytes(), tmp_path / name
    for size in (0, 3, len(whole) // 2, len(whole) * 9 // 10):
        cut.write_bytes(whole[:size])
        with pytest.raises(ModelError) as raised:
            weft_package.load(guests("echo"), models={"net": cut})
        assert raised.value.cure
    called("run", guests("echo"), "--model", f"net={cut}").told(65, name, "cure:")
    called("model", "show", cut).told(65, name, "cure:")
    document = write_pipeline(tmp_path, lines(tmp_path, "a"), {"wasm": str(guests("echo")), "models": {"net": name}})
    called("run", document).told(65, name)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_model_a_function_cannot_use_is_told_before_the_first_frame(called: Weft, data: Path, tmp_path: Path) -> None:
    models = {"net": str(data / "models" / "identity.onnx")}
    source = {"type": "pictures", "path": str(data / "images" / "mnist")}
    document = write_pipeline(tmp_path, source, {"wasm": "weft:classify", "models": models})
    called("run", document, "--log-format", "text").told(70, "takes no picture as f32 or u8")
    assert not (tmp_path / "out.jsonl").exists()


SETS_A_WRONG_DTYPE = """
(module
  (import "wasi_ephemeral_nn" "load_by_name" (func $load (param i32 i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "init_execution_context" (func $init (param i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "set_input" (func $set (param i32 i32 i32) (result i32)))
  (import "weft" "frame_size" (func $size (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "net")
  (data (i32.const 64) "\\01\\00\\00\\00\\04\\00\\00\\00")
  (data (i32.const 128) "\\40\\00\\00\\00\\02\\00\\00\\00\\03\\00\\00\\00\\00\\01\\00\\00\\04\\00\\00\\00")
  (func (export "weft_handle") (result i32)
    (if (call $load (i32.const 16) (i32.const 3) (i32.const 0)) (then (return (i32.const 1))))
    (if (call $init (i32.load (i32.const 0)) (i32.const 4)) (then (return (i32.const 2))))
    (if (i32.gt_u (call $size) (i32.const 3))
      (then (return (call $set (i32.load (i32.const 4)) (i32.const 0) (i32.const 128)))))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 3))))
"""


def test_a_tensor_of_another_dtype_fails_its_frame_alone(pipeline: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.wat").write_text(SETS_A_WRONG_DTYPE)
    models = {"net": str(data / "models" / "identity.onnx")}
    function = {"wasm": "wrong.wat", "models": models, "on_error": {"stream": "errors"}}
    ran = pipeline(lines(tmp_path, "a", "wrong", "b"), function)
    assert len(ran.payloads) == 2
    (failure,) = ran.failures
    assert (failure["sequence"], "takes f32; the guest gave u8" in failure["what"]) == (1, True), failure


@pytest.mark.usefixtures("impatient")
def test_a_pipe_that_nobody_writes_to_is_given_up(called: Weft, guests: Guests, tmp_path: Path) -> None:
    for name in ("pipe.wasm", "pipe.yaml", "pipe.onnx", "pipe.txt", "pipe.mp4"):
        os.mkfifo(tmp_path / name)
    called("run", "pipe.wasm").told(65, "nobody writes", "cure:")
    called("inspect", "pipe.wasm").told(65, "nobody writes")
    called("run", "pipe.yaml", "--log-format", "text").told(65, "nobody writes", "cure:")
    called("validate", "pipe.yaml").told(65, "nobody writes")
    called("run", guests("echo"), "--model", "net=pipe.onnx").told(65, "not a file", "cure:")
    called("model", "show", "pipe.onnx").told(65, "not a file")
    called("run", guests("echo"), "--config", "labels=@pipe.txt").told(66, "nobody writes", "cure:")
    with pytest.raises(MediaError, match="pipe"):
        list(VideoSource(tmp_path / "pipe.mp4").frames())


def test_a_module_may_come_through_a_pipe_that_somebody_writes_to(shell: Weft, guests: Guests) -> None:
    done = shell(f'echo hello | weft run <(cat "{guests("echo")}")')
    assert done.told(0).out == "hello\n"


def test_lines_wait_for_whoever_writes_into_a_pipe_and_can_be_closed_meanwhile(tmp_path: Path) -> None:
    import threading

    os.mkfifo(tmp_path / "pipe")
    silent = LinesSource(tmp_path / "pipe")
    reader = threading.Thread(target=lambda: list(silent.frames()))
    reader.start()
    silent.close()
    reader.join(10)
    assert not reader.is_alive()

    seen: list[bytes] = []
    source = LinesSource(tmp_path / "pipe")
    reader = threading.Thread(target=lambda: seen.extend(frame.payload for frame in source.frames()))
    reader.start()
    (tmp_path / "pipe").write_bytes(b"one\ntwo\n")
    reader.join(10)
    assert seen == [b"one", b"two"]


@pytest.mark.parametrize("suffix", ["wasm", "yaml", "onnx", "txt"])
def test_folders_broken_links_and_endless_links_are_told_apart(
    called: Weft, guests: Guests, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / f"folder.{suffix}").mkdir()
    (tmp_path / f"broken.{suffix}").symlink_to("nowhere")
    (tmp_path / f"loop.{suffix}").symlink_to(f"loop.{suffix}")

    def use(name: str) -> Done:
        echo = guests("echo")
        words = {
            "wasm": ["run", f"{name}.wasm"],
            "yaml": ["run", f"{name}.yaml", "--log-format", "text"],
            "onnx": ["run", echo, "--model", f"net={name}.onnx"],
            "txt": ["run", echo, "--config", f"labels=@{name}.txt"],
        }
        return called(*words[suffix])

    for name in ("folder", "broken", "loop"):
        done = use(name)
        done.told(done.code, f"{name}.{suffix}", "cure:")
        assert done.code in (65, 66)


def test_names_that_are_too_long_are_not_found(called: Weft, guests: Guests) -> None:
    name, echo = "a" * 5000, guests("echo")
    for words in (
        ["run", name],
        ["inspect", name],
        ["compile", name],
        ["validate", name],
        ["model", "show", name],
        ["run", echo, "--model", f"net={name}"],
        ["run", echo, "--config", f"labels=@{name}"],
    ):
        called(*words).told(66, "too long", "cure:")
    called("run", f"{name}.yaml").told(65, "too long")
    called("run", echo, "--dir", name).told(64, "no directory")
    called("compile", echo, "-o", name).told(73, "too long")


@pytest.mark.usefixtures("impatient")
def test_the_same_in_python(guests: Guests, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModuleError, match="nobody writes"):
        weft_package.load(tmp_path / "pipe")
    with pytest.raises(InputError, match="nobody writes"):
        Pipeline.load(tmp_path / "pipe")
    with pytest.raises(ModelError, match="not a file"):
        weft_package.load(guests("echo"), models={"net": tmp_path / "pipe"})
    with pytest.raises(NotFoundError, match="too long"):
        weft_package.load(guests("echo"), models={"net": "a" * 5000})


def test_names_that_are_no_utf8_work_or_are_told(called: Weft, guests: Guests, data: Path, tmp_path: Path) -> None:
    base = os.fsencode(tmp_path)
    for source, name in ((guests("command"), b"c\xff.wasm"), (data / "models" / "identity.onnx", b"m\xff.onnx")):
        with open(base + b"/" + name, "wb") as file:  # noqa: PTH123 - Path takes no bytes
            file.write(source.read_bytes())
    command, missing, model = map(os.fsdecode, (b"c\xff.wasm", b"d\xff.wasm", b"m\xff.onnx"))
    assert called("run", command, "args").told(0).out.startswith("c\ufffd.wasm")
    assert called("inspect", command, "--json").told(0).out.count("\\udcff") == 1
    called("run", missing).told(66, "did you mean 'c\\udcff.wasm'")
    called("run", command, "args", os.fsdecode(b"word\xff")).told(64, "is no UTF-8", "cure:")
    called("model", "show", model).told(65, "the path is no UTF-8", "cure: rename")


def test_a_very_long_command_line_reaches_the_guest(weft: Weft, guests: Guests) -> None:
    words = [*(f"word{number}" for number in range(20_000)), "x" * 100_000]
    done = weft("run", guests("command"), "args", *words)
    assert done.told(0).out.split()[2:] == words


def test_a_sink_does_not_write_over_what_the_pipeline_reads(called: Weft, guests: Guests, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to("in.txt")
    for target in ("in.txt", "./in.txt", "link.jsonl", "pipeline.yaml", str(guests("echo"))):
        document = write_pipeline(tmp_path, lines(tmp_path, "a"), {"wasm": str(guests("echo"))}, path=target)
        before = document.read_text()
        called("run", document, "--log-format", "text").told(78, "would write over", "name another file")
        assert (document.read_text(), (tmp_path / "in.txt").read_text()) == (before, "a\n")
