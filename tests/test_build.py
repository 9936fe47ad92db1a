"""The build hook: guests from C to WebAssembly, with the real compiler."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import wasmtime

ROOT = Path(__file__).parents[1]
REACTOR = '__attribute__((export_name("weft_handle"))) int weft_handle(void) { return 0; }\n'
COMMAND = "int main(void) { return 0; }\n"

_spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
assert _spec is not None
assert _spec.loader is not None
hatch_build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hatch_build)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("guests", "src/weft/sdk/c"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src/weft/sdk/c/weft.h").write_text("/* nothing yet */\n")
    (tmp_path / "guests/handle.c").write_text(f'#include "weft.h"\n{REACTOR}')
    return tmp_path


def exports(path: Path) -> set[str]:
    module = wasmtime.Module.from_file(wasmtime.Engine(), str(path))
    return {export.name for export in module.exports}


def built(root: Path) -> list[str]:
    return [path.name for path in hatch_build.build_guests(root)]


def test_a_main_makes_a_command_and_everything_else_a_reactor(root: Path):
    (root / "guests/tool.c").write_text(COMMAND)
    assert built(root) == ["handle.wasm", "tool.wasm"]
    assert {"memory", "weft_handle"} <= exports(root / "src/weft/guests/handle.wasm")
    assert "_start" not in exports(root / "src/weft/guests/handle.wasm")
    assert "_start" in exports(root / "src/weft/guests/tool.wasm")


def test_only_what_changed_is_built_again_and_what_is_gone_is_removed(root: Path):
    assert built(root) == ["handle.wasm"]
    assert built(root) == []
    (root / "src/weft/sdk/c/weft.h").write_text("/* a change in a header counts */\n")
    assert built(root) == ["handle.wasm"]
    (root / "guests/handle.c").rename(root / "guests/other.c")
    assert built(root) == ["other.wasm"]
    assert [path.name for path in (root / "src/weft/guests").glob("*.wasm")] == ["other.wasm"]


def test_a_guest_that_does_not_compile_ends_the_build_with_the_reason(root: Path):
    (root / "guests/broken.c").write_text("int weft_handle(void) { return nonsense; }\n")
    with pytest.raises(SystemExit, match=r"(?s)broken\.c does not compile.*nonsense"):
        hatch_build.build_guests(root)
    assert not (root / "src/weft/guests/broken.wasm").exists()


def test_a_tree_without_guests_says_so(tmp_path: Path):
    (tmp_path / "src/weft").mkdir(parents=True)
    with pytest.raises(SystemExit, match="no guests"):
        hatch_build.build_guests(tmp_path)


def test_the_guests_of_this_tree_are_all_built():
    names = {path.stem for path in (ROOT / "guests").glob("*.c")}
    modules = {path.stem for path in (ROOT / "src/weft/guests").glob("*.wasm")}
    assert names, "there are C guests"
    assert names <= modules, "run make guests"
