"""The tables of docs/existing-functions.md say what is there, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from weft.wasm.abi import abis
from weft.wasm.host import host_modules, signatures

PAGE = (Path(__file__).parents[3] / "docs" / "existing-functions.md").read_text()
OURS = {"weft", "wasi_ephemeral_nn", "wasi_snapshot_preview1"}
SECTIONS = re.findall(r"^### `([\w-]+)`.*?\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \|(?:[^|]*\|)?? (yes|no)\b", re.MULTILINE)


@pytest.mark.parametrize(("module", "text"), SECTIONS, ids=[name for name, _ in SECTIONS])
def test_a_table_is_what_guests_get(module: str, text: str) -> None:
    rows = ROW.findall(text)
    assert len(rows) == len(set(rows)) == text.count("| `")
    there = {name for name, word in rows if word == "yes"}
    assert there == FOREIGN[module]
    assert not {name for name, word in rows if word == "no"} & set(signatures(module))


def _of_foreign_runtimes(module: str) -> set[str]:
    return {name for name in signatures(module) if module != "env" or name.startswith(("yomo_", "return_"))}


FOREIGN = {module: _of_foreign_runtimes(module) for module in host_modules()}


def test_every_foreign_host_module_has_its_table() -> None:
    told = {module for module, _ in SECTIONS}
    assert {module for module in FOREIGN if module.startswith(("wasmedge", "wasi_nn")) or module == "env"} == told
    assert not told & OURS


def test_every_foreign_abi_is_explained() -> None:
    assert [name for name in ("command", "bindgen", "yomo") if f"| `{name}` |" not in PAGE] == []
    assert {"command", "bindgen", "yomo"} <= set(abis())
