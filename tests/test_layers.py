"""The rules of the house that a machine can check: who may import whom, where heavy packages live, sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "weft"

LAYERS = (
    {"core"},
    {"spec"},
    {"nn", "wasm", "media", "stream", "artifacts", "toolchains"},
    {"flow"},
    {"serve", "fleet", "dashboard", "adapters", "dev"},
    {"cli"},
)
"""From the bottom up. A package imports from the layers below its own, never from its own or one above."""

DATA = {"sdk", "guests", "examples"}
"""Folders that hold files for people and machines, not layers."""

HOMES = {
    "wasmtime": {"wasm"},
    "onnxruntime": {"nn"},
    "openvino": {"nn"},
    "ai_edge_litert": {"nn"},
    "av": {"media"},
    "simplejpeg": {"media"},
    "PIL": {"media"},
    "pydantic": {"spec"},
    "pydantic_core": {"spec"},
    "yaml": {"spec"},
    "watchfiles": {"dev"},
    "zenoh": {"stream"},
    "msgspec": {"stream", "serve"},
    "cryptography": {"artifacts", "stream"},
    "prometheus_client": {"flow"},
    "httpx": {"artifacts", "media", "serve"},
    "paho": {"media"},
    "jwt": {"serve"},
    "starlette": {"serve", "dashboard"},
    "uvicorn": {"serve", "dashboard"},
    "uvloop": {"artifacts", "serve"},
    "opentelemetry": {"flow"},
    "grpc": {"serve"},
    "google": {"serve"},
    "cyclopts": {"cli"},
    "rich": {"cli"},
}
"""The only layers that may touch a third-party package; numpy belongs to everybody."""

ASKERS = {"cli/doctor.py"}
"""Modules that may look at any package, to say whether and in what version it is there."""

LAZY = set(HOMES) - {"cyclopts"}
"""What `import weft` and the start of the command must not load. The command line itself needs cyclopts."""

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in DATA)


def name_of(path: Path) -> str:
    parts = ("weft", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str:
    """The package under weft a module belongs to; empty for weft itself."""
    return [*module.split("."), ""][1]


def imports(tree: ast.AST, module: str, *, package: bool) -> Iterator[tuple[str, int]]:
    """What a module imports, anywhere in it, with the lines."""
    base = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(base[: len(base) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (above, node.module or "") if part)
            yield origin, node.lineno
            yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(), str(path)) for path in modules()}


def rank(layer: str) -> int:
    return next((index for index, layers in enumerate(LAYERS) if layer in layers), len(LAYERS))


def all_imports(trees: dict[Path, ast.Module]) -> Iterator[tuple[str, str, str]]:
    """Every import: the layer it stands in, where, and what is imported. weft itself gathers names and is left out."""
    for path, tree in trees.items():
        module = name_of(path)
        if layer := layer_of(module):
            for target, line in imports(tree, module, package=path.name == "__init__.py"):
                yield layer, f"{path.relative_to(SOURCE)}:{line} imports {target}", target


def test_every_package_has_its_layer(trees: dict[Path, ast.Module]):
    known = set().union(*LAYERS, {"", "__main__"})
    assert {layer_of(name_of(path)) for path in trees} <= known, "give the new package a place in LAYERS"


def test_imports_only_point_down(trees: dict[Path, ast.Module]):
    known = set().union(*LAYERS)
    wrong = [
        where
        for layer, where, target in all_imports(trees)
        if target.startswith("weft.") and (other := layer_of(target)) != layer and other in known
        if layer != "__main__" and rank(other) >= rank(layer)
    ]
    assert not wrong


def test_toolchains_know_only_the_core(trees: dict[Path, ast.Module]):
    targets = [(where, target) for layer, where, target in all_imports(trees) if layer == "toolchains"]
    ours = [(where, layer_of(target)) for where, target in targets if target.startswith("weft.")]
    assert ours, "it imports something"
    assert [where for where, layer in ours if layer not in {"core", "toolchains"}] == []


def test_third_party_packages_stay_in_their_homes(trees: dict[Path, ast.Module]):
    wrong = [
        where
        for layer, where, target in all_imports(trees)
        if layer not in HOMES.get(target.split(".")[0], {layer}) and where.split(":")[0] not in ASKERS
    ]
    assert not wrong


@pytest.mark.parametrize("module", ["weft", "weft.cli.main"])
def test_starting_up_loads_nothing_heavy(module: str):
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}} & {LAZY!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_modules_and_functions_stay_small(trees: dict[Path, ast.Module]):
    long = [f"{path.relative_to(SOURCE)}" for path in trees if len(path.read_text().splitlines()) > MAX_MODULE_LINES]
    long += [
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.name} has {length} lines"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, Function) and (length := body_lines(node)) > MAX_FUNCTION_LINES
    ]
    assert not long


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, its docstring aside."""
    first, *others = function.body
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and others
    start = others[0] if documented else first
    return (function.end_lineno or 0) - start.lineno + 1


def test_the_checks_see_what_they_look_for(tmp_path: Path):
    tree = ast.parse("import av.codec\ndef f():\n    from ..nn import service\n    from . import x\n")
    found = dict(imports(tree, "weft.wasm.host.nn", package=False))
    assert {"av.codec": 1, "weft.wasm.nn.service": 3, "weft.wasm.host.x": 4}.items() <= found.items()
    assert rank("core") < rank("wasm") == rank("nn") < rank("cli")
    assert layer_of("weft.nn.service") == "nn"
    assert layer_of("weft") == ""
