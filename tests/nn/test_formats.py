"""The format is told by the bytes, and what is no model is called by its name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nn import tiny
from weft.core.errors import ModelError, NotFoundError
from weft.nn.backend import ORDER
from weft.nn.formats import sniff, sniff_path

IR = b'<?xml version="1.0"?>\n<net name="x" version="11"></net>'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (tiny.onnx_identity("f32", [1]), "onnx"),
        (tiny.tflite_identity("f32", [1]), "tflite"),
        (tiny.tensorflow_graph(), "tensorflow"),
        (IR, "openvino"),
        (b"\xef\xbb\xbf  \n" + IR, "openvino"),
    ],
)
def test_bytes_tell_the_format(content, expected):
    assert sniff(content) == expected


def test_a_name_does_not_matter(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.tflite_identity("f32", [1]))
    assert sniff_path(path) == "tflite"


def test_a_directory_is_a_saved_model(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(tiny.saved_model([1]))
    assert sniff_path(tmp_path) == "savedmodel"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff\xe0 JFIF", "JPEG picture"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture"),
        (b"\0asm\1\0\0\0", "WebAssembly"),
        (b"PK\3\4 torch", "zip archive"),
        (b"GGUF\3\0", "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\n<!DOCTYPE HTML><title>404</title>", "web page"),
        (b"name: model\n", "text file"),
        (b"<?xml version='1.0'?><svg/>", "not OpenVINO IR"),
        (b"\x20\0\0\0ORTM" + bytes(40), "ORT format"),
        (bytes(1000), "no model Weft knows"),
        (tiny.saved_model([1]), "inside of a SavedModel"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(tmp_path, content, says):
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=says) as caught:
        sniff_path(path)
    assert caught.value.where == str(path)
    assert caught.value.cure


@pytest.mark.parametrize("content", [tiny.onnx_identity("f32", [1]), tiny.tensorflow_graph([1, 4])])
def test_a_truncated_file_says_how_much_is_missing(content):
    with pytest.raises(ModelError, match=rf"truncated: it needs at least \d+ bytes and has {len(content) - 5}"):
        sniff(content[:-5])


def test_nothing_there_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="no such model file"):
        sniff_path(tmp_path / "missing.onnx")


def test_an_unreadable_file_says_why(tmp_path):
    loop = tmp_path / "loop.onnx"
    loop.symlink_to(loop)
    with pytest.raises(NotFoundError, match="cannot be read"):
        sniff_path(loop)


def test_an_ordinary_directory_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"without saved_model\.pb"):
        sniff_path(tmp_path)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"\x08\x09" + tail))
def test_any_bytes_get_a_format_or_a_model_error(content):
    with contextlib.suppress(ModelError):
        assert sniff(content) in ORDER


def test_the_reference_models_are_known(data: Path):
    kinds = {".onnx": "onnx", ".tflite": "tflite", ".pb": "tensorflow"}
    models = [path for path in (data / "models").iterdir() if path.suffix in kinds]
    assert models
    assert {path.name: sniff_path(path) for path in models} == {path.name: kinds[path.suffix] for path in models}
