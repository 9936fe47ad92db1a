"""The page on components: its table is what there is, and its example classifies."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from weft import Frame, load
from weft.core.resources import sdk
from weft.wasm.component.interfaces import interfaces

PAGE = (REPOSITORY / "docs" / "components.md").read_text()
APP, BUILD = re.findall(r"^```js\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
MODULES = "WEFT_NODE_MODULES"
"""Names the node_modules folder in which componentize-js is: it and what it needs are 400 MB."""


def test_the_table_has_every_interface_and_version() -> None:
    rows = {
        name: (versions, allows)
        for name, versions, allows in re.findall(r"^\| `([^`]+)` \| ([^|]+) \|[^|]+\| ([^|]+) \|$", PAGE, re.M)
    }
    nn_versions, _ = rows["wasi:nn/{tensor,graph,inference,errors}"]
    for full in interfaces():
        name, _, version = full.partition("@")
        if name == "weft:function/types":
            continue  # words of the others
        if name == "weft:function/program":
            continue  # for the interpreter that comes with Weft
        if name.startswith("wasi:nn/"):
            assert version.removeprefix("0.2.0-rc-2024") in nn_versions
        else:
            assert rows[name][0] == version


def test_the_example_imports_what_there_is() -> None:
    wit = (sdk() / "wit" / "weft.wit").read_text()
    for names, interface in re.findall(r'import \{ (.*) \} from "(.*)"', APP):
        offers = interfaces()[interface].offers()
        for name in names.split(", "):
            assert re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name) in offers
    assert "export handle" in wit


def test_the_wit_files_offer_what_the_host_does() -> None:
    """Each function of each interface stands in the files, and nothing else does."""
    wit = "\n".join(path.read_text() for path in sorted((sdk() / "wit").rglob("*.wit")))
    for full, interface in interfaces().items():
        if full.endswith(("-08-19", "-06-25")):
            continue  # older versions, for what was built against them
        body = re.search(rf"interface {full.partition('@')[0].rpartition('/')[2]} {{\n(.*?)\n}}", wit, re.DOTALL)
        assert body is not None, full
        said = set(re.findall(r"^\s+%?([\w-]+): func", body[1], re.MULTILINE))
        offered = {name.rpartition(".")[2] for name in interface.offers() if not name.startswith("[constructor]")}
        assert said == offered - {"set-input", "get-output"}, full


def test_the_example_classifies(data: Path, tmp_path: Path) -> None:
    modules, node = os.environ.get(MODULES), shutil.which("node")
    if not (modules and node and Path(modules, "@bytecodealliance", "componentize-js").is_dir()):
        pytest.skip(
            f"node and componentize-js: npm install @bytecodealliance/componentize-js, and {MODULES}=node_modules"
        )
    (tmp_path / "app.js").write_text(APP)
    (tmp_path / "build.mjs").write_text(BUILD)
    (tmp_path / "node_modules").symlink_to(Path(modules).resolve())
    subprocess.run([node, "build.mjs", str(sdk() / "wit")], cwd=tmp_path, check=True, timeout=110)
    expected = json.loads((data / "expected.json").read_text())["top5"]["squeezenet1.1.onnx"]["cat.jpg"]
    with load(tmp_path / "app.wasm", models={"net": data / "models" / "squeezenet1.1.onnx"}) as classify:
        [said] = classify(Frame((data / "images" / "cat.jpg").read_bytes(), media_type="image/jpeg"))
    assert [label["label"] for label in json.loads(said.payload)["labels"]] == [str(row["index"]) for row in expected]
