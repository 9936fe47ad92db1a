"""``weft model show``, and the names it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.artifacts.conftest import Served, registry  # noqa: F401 - a fixture
from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_a_model_is_shown_by_the_name_it_was_pushed_to(weft: Cli, registry: Served, data: Path) -> None:  # noqa: F811
    name = f"{registry.host}/show/identity:1"
    assert weft("model", "push", data / "models" / "identity.onnx", name).code == 0
    bare, whole = (weft("model", "show", written, "--json") for written in (name, f"oci://{name}"))
    assert (bare.code, bare.out) == (0, whole.out)
    assert json.loads(bare.out)["size"] == (data / "models" / "identity.onnx").stat().st_size


def test_a_bare_name_is_looked_up_and_no_path(weft: Cli) -> None:
    done = weft("model", "show", "registry.invalid/ml/net:1", "--offline")
    assert "it is not in the store" in done.err
    assert "no such file" not in done.err


def test_a_file_goes_before_a_name_in_a_registry(weft: Cli, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models.d" / "ml"
    folder.mkdir(parents=True)
    (folder / "net:1").write_text("no model")
    done = weft("model", "show", "models.d/ml/net:1", "--offline")
    assert (done.code, "models.d/ml/net:1: is a text file, not a model" in done.err) == (65, True), done.err


@pytest.mark.parametrize("path", ["net.onnx", "models/net:1", "models.d/net.onnx", "./registry.invalid/net:1"])
def test_what_names_no_registry_is_a_path(weft: Cli, path: str) -> None:
    done = weft("model", "show", path)
    assert (done.code, f"{path}: no such file" in done.err) == (66, True), done.err
