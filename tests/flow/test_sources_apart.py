"""Several sources that count their frames alike stay apart."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from weft.flow.pipeline import Pipeline

DOCUMENT = """
sources:
  a: {type: pictures, path: a}
  b: {type: pictures, path: b}
functions:
  sizes: {wasm: size.wat, inputs: [a, b]}
sinks:
  folder: {type: directory, path: out, inputs: [sizes]}
"""

# Emits four bytes for every frame.
SIZE = """
(module
  (import "weft" "frame_size" (func $size (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "weft_handle") (result i32)
    (i32.store (i32.const 0) (call $size))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))))
"""


def test_no_result_of_one_source_replaces_one_of_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "size.wat").write_text(SIZE)
    (tmp_path / "p.yaml").write_text(DOCUMENT)
    summary = Pipeline.load(tmp_path / "p.yaml").run()
    assert summary.stage("folder").frames_out == 6
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{number:08d}-sizes-{source}.bin" for number in range(3) for source in "ab"]
