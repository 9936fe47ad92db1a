"""The Python page of the documentation is run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_every_block_of_the_page_runs(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.chdir(tmp_path)
    shutil.copy(data / "models" / "mobilenetv2.onnx", "mobilenetv2.onnx")
    shutil.copy(data / "labels" / "imagenet_1000.txt", "imagenet.txt")
    shutil.copy(data / "images" / "cat.jpg", "cat.jpg")
    shutil.copy(data / "video" / "hot-dog.mp4", "video.mp4")
    Path("pipeline.yaml").write_text(
        "sources: {cam: {type: pattern, frames: 3}}\n"
        "functions: {classify: {wasm: weft:classify, inputs: [cam], models: {net: mobilenetv2.onnx}}}\n"
        "sinks: {out: {type: jsonl, path: out.jsonl, inputs: [classify]}}\n"
    )
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    names: dict[str, object] = {"Path": Path}
    for block in blocks:
        exec(block.replace('open("cat.jpg", "rb").read()', 'Path("cat.jpg").read_bytes()'), names)
    assert len(Path("light.jsonl").read_text().splitlines()) == 1421
    assert len(Path("out.jsonl").read_text().splitlines()) == 3
