"""Digests, what else a model needs, and what is remembered of a file."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.nn import tiny
from weft.core.errors import ModelError, NotFoundError
from weft.nn.source import Sources, of_bytes

IR = b'<?xml version="1.0"?><net name="x" version="11"><layer type="Const"/></net>'
LONG_AGO_NS = 10**18


def settle(*paths):
    """As if written long ago: what was written this instant is not remembered."""
    for path in paths:
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    content = tiny.onnx_identity("f32", [1])
    path = tmp_path / "identity.onnx"
    path.write_bytes(content)
    source = Sources().of_path(path)
    assert source.digest == of_bytes([content]).digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (source.name, source.format, source.size) == ("identity", "onnx", len(content))


def test_an_unchanged_file_is_not_read_again(tmp_path):
    path = tmp_path / "identity.onnx"
    path.write_bytes(tiny.onnx_identity("f32", [1]))
    settle(path)
    sources = Sources()
    assert sources.of_path(path) is sources.of_path(path)


def test_a_replaced_file_is_another_model(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(tiny.onnx_identity("f32", [1]))
    settle(path)
    sources = Sources()
    before = sources.of_path(path)
    path.write_bytes(tiny.tflite_identity("f32", [1]))
    after = sources.of_path(path)
    assert (before.format, after.format) == ("onnx", "tflite")
    with pytest.raises(ModelError, match="changed while it was loaded"):
        before.check_unchanged()


def test_a_file_written_this_instant_is_not_trusted_to_stay(tmp_path):
    path = tmp_path / "model.onnx"
    sources = Sources()
    path.write_bytes(tiny.onnx_identity("f32", [1]))
    first = sources.of_path(path).digest
    path.write_bytes(tiny.onnx_identity("f64", [1]))
    assert sources.of_path(path).digest != first


def test_ir_needs_its_weights_beside_it(tmp_path):
    path = tmp_path / "net.xml"
    path.write_bytes(IR)
    with pytest.raises(NotFoundError, match="weights of this OpenVINO IR") as caught:
        Sources().of_path(path)
    assert "net.bin beside net.xml" in caught.value.cure
    (tmp_path / "net.bin").write_bytes(b"1234")
    on_disk = Sources().of_path(path)
    assert on_disk.digest == of_bytes([IR, b"1234"]).digest != of_bytes([IR, b"4321"]).digest
    assert on_disk.size == len(IR) + 4


def test_the_digest_of_a_saved_model_covers_all_its_files(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(tiny.saved_model([1]))
    alone = Sources().of_path(tmp_path).digest
    (tmp_path / "variables" / "variables.index").write_bytes(b"v1")
    one = Sources().of_path(tmp_path).digest
    (tmp_path / "variables" / "variables.index").write_bytes(b"v2")
    assert len({alone, one, Sources().of_path(tmp_path).digest}) == 3
    assert one.startswith("sha256:")
    assert len(one) == 7 + 64


def test_a_new_file_in_a_saved_model_is_seen(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(tiny.saved_model([1]))
    settle(tmp_path / "saved_model.pb", tmp_path)
    sources = Sources()
    before = sources.of_path(tmp_path)
    (tmp_path / "keras_metadata.pb").write_bytes(b"new")
    assert sources.of_path(tmp_path).digest != before.digest


@pytest.mark.parametrize("parts", [[], [tiny.onnx_identity("f32", [1])] * 2, [IR, b"", b""]])
def test_a_wrong_number_of_parts_is_refused(parts):
    with pytest.raises(ModelError, match=r"parts|no model bytes"):
        of_bytes(parts)


def test_bytes_seen_before_are_recognised():
    sources, content = Sources(), tiny.onnx_identity("f32", [1])
    first = sources.of_bytes([content])
    assert sources.of_bytes([bytes(bytearray(content))]) is first
    assert sources.of_bytes([tiny.onnx_identity("f64", [1])]).digest != first.digest


def test_bytes_are_remembered_up_to_a_bound(monkeypatch):
    models = [tiny.onnx_identity("f32", [size]) for size in (1, 2, 3)]
    monkeypatch.setattr("weft.nn.source._BROUGHT_BYTES", 2 * len(models[0]))
    sources = Sources()
    first, second, third = map(sources.of_bytes, ([model] for model in models))
    assert sources.of_bytes([models[2]]) is third
    assert sources.of_bytes([models[1]]) is second
    assert sources.of_bytes([models[0]]) is not first


def test_a_model_in_memory_may_not_name_files():
    """The engines would open them: a guest could read any file of the host as weights."""
    with pytest.raises(ModelError, match=r"'secret\.bin'") as caught:
        of_bytes([tiny.onnx_identity("f32", [1], external="secret.bin")])
    assert "weights inside" in caught.value.cure
    with pytest.raises(ModelError, match="buffers in other files"):
        of_bytes([tiny.tflite_identity("f32", [1], external=True)])


def test_the_word_location_alone_is_no_file_name():
    model = tiny.onnx_identity("f32", ["location"])
    assert b"location" in model
    assert of_bytes([model]).format == "onnx"


def test_an_external_tensor_inside_a_branch_is_found():
    with pytest.raises(ModelError, match=r"'/etc/passwd'"):
        of_bytes([tiny.onnx_branch(external="/etc/passwd")])


@pytest.mark.parametrize("name", ["../secret.bin", "/etc/hostname", "inside/../../secret.bin"])
def test_a_model_in_a_file_names_only_files_of_its_folder(tmp_path, name):
    (tmp_path / "secret.bin").write_bytes(b"1234")
    (tmp_path / "models" / "inside").mkdir(parents=True)
    path = tmp_path / "models" / "model.onnx"
    path.write_bytes(tiny.onnx_identity("f32", [1], external=name))
    with pytest.raises(ModelError, match="outside its folder"):
        Sources().of_path(path)


def test_a_link_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "secret.bin").write_bytes(b"1234")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "w.bin").symlink_to(tmp_path / "secret.bin")
    path = tmp_path / "models" / "model.onnx"
    path.write_bytes(tiny.onnx_identity("f32", [1], external="w.bin"))
    with pytest.raises(ModelError, match="outside its folder"):
        Sources().of_path(path)


def test_external_weights_count_for_digest_and_size(tmp_path):
    path = tmp_path / "model.onnx"
    content = tiny.onnx_identity("f32", [1], external="w.bin")
    path.write_bytes(content)
    with pytest.raises(NotFoundError, match=r"'w\.bin', which is not there"):
        Sources().of_path(path)
    (tmp_path / "w.bin").write_bytes(b"1234")
    one = Sources().of_path(path)
    (tmp_path / "w.bin").write_bytes(b"4321")
    assert one.digest != Sources().of_path(path).digest
    assert one.size == len(content) + 4
