"""Turns ``detector.onnx`` into ``detector.tflite`` (development only: needs onnx2tf, which brings TensorFlow).

    cd examples && python -m conveyor.convert

Inputs and outputs keep their shapes and order, so the same function runs on either file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def convert(source: Path, target: Path) -> None:
    """Write the ONNX model ``source`` as float32 TFLite to ``target``."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(source, folder))  # onnx2tf writes into the file it is given
        command = ["onnx2tf", "-i", str(copy), "-o", folder, "-kat", "image", "-n"]
        subprocess.run([sys.executable, "-m", *command], check=True)
        shutil.copyfile(copy.with_name(f"{copy.stem}_float32.tflite"), target)


if __name__ == "__main__":
    convert(HERE / "detector.onnx", HERE / "detector.tflite")
