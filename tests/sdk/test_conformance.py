"""Every language offers every host function, and they do the same in each."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.nn.tiny import onnx_identity
from tests.sdk.building import CORE, Workshop, conformance
from weft import Frame, Grants, StateGrant, load
from weft.core.errors import GuestError
from weft.core.resources import sdk
from weft.wasm.host import signatures
from weft.wasm.inspect import inspect

MODULES = ("weft", "wasi_ephemeral_nn")
HOST_FUNCTIONS = sorted((module, name) for module in MODULES for name in signatures(module))

BINDINGS = {
    "c": r'(?:WEFT_IMPORT\("(?P<module>weft)", |(?P<nn>NN_IMPORT)\()"(?P<name>\w+)"',
    "zig": r'extern "(?P<module>\w+)" fn (?P<name>\w+)\(',
    "go": r"//go:wasmimport (?P<module>\w+) (?P<name>\w+)",
    "assemblyscript": r'@external\("(?P<module>\w+)", "(?P<name>\w+)"\)',
    "rust": r'wasm_import_module = "(?P<block>\w+)"|pub fn (?P<name>\w+)\(',
}
"""How an import of a host function looks in each language."""


def bound(lang: str) -> list[tuple[str, str]]:
    """The imports a binding declares, read from its sources."""
    files = {"c": ["weft.h"], "rust": ["src/raw.rs"], "go": ["raw.go"], "zig": ["weft.zig"]}
    found, block = [], ""
    for file in files.get(lang, ["weft.ts"]):
        for match in re.finditer(BINDINGS[lang], (sdk() / lang / file).read_text()):
            parts = match.groupdict()
            block = parts.get("block") or block
            if parts["name"]:
                module = "wasi_ephemeral_nn" if parts.get("nn") else parts.get("module") or block
                found.append((module, parts["name"]))
    return sorted(found)


@pytest.mark.parametrize("lang", CORE)
def test_every_host_function_is_bound_in_every_language(lang: str):
    assert bound(lang) == HOST_FUNCTIONS


def payload() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (12, 8), (255, 255, 255)).save(file, "PNG")
    return file.getvalue()


def wanted(size: int) -> list[str]:
    lines = f"""
        size={size} head=PNG payload={size} stream=cam/front media=image/png header=grün long=700 missing-header=none
        sequence=41 time=1700000000123456789 config=fast missing-config=none
        state=none stored=abc long-state=700 deleted=1,1 again=0 large=1
        picture=12x8 grey=4080 tensor=255,100
        output=4,4 named=4,3 single=4,2 small=1 whole=2,-6 bytes=1 unknown=1
    """
    return lines.split()


@pytest.mark.parametrize("lang", CORE)
def test_every_host_function_does_the_same_in_every_language(workshop: Workshop, tmp_path: Path, lang: str):
    folder = workshop.make(lang, "conformance", conformance(lang))
    models = {"net": tmp_path / "net.onnx", "whole": tmp_path / "whole.onnx"}
    models["net"].write_bytes(onnx_identity("f32", [4]))
    models["whole"].write_bytes(onnx_identity("i64", [2]))
    frame = Frame(
        payload(),
        media_type="image/png",
        stream="cam/front",
        sequence=41,
        time_ns=1_700_000_000_123_456_789,
        headers={"colour": "grün", "long": "x" * 700},
    )
    module = folder / f"{folder.name}.wasm"
    grants = Grants(allow=frozenset({"nn.load"}), state=StateGrant(tmp_path / "state.db", size=4096))
    with load(module, models=models, config={"mode": "fast"}, grants=grants) as function:
        first, second = function(frame), function(frame)
    [report] = first
    assert report.payload.decode().split() == wanted(len(frame.payload))
    assert (report.stream, report.media_type, report.sequence) == ("report", "text/plain", 41)
    assert [again.payload for again in second] == [report.payload]
    assert {name: set(inspect(module)["imports"][name]) for name in MODULES} == {
        name: set(signatures(name)) for name in MODULES
    }


@pytest.mark.parametrize("lang", CORE)
def test_a_panic_fails_its_frame_with_its_message(workshop: Workshop, lang: str):
    folder = workshop.make(lang, "conformance", conformance(lang))
    with load(folder / f"{folder.name}.wasm", config={"panic": "please"}) as function:
        with pytest.raises(GuestError, match="it gave up"):
            function(Frame(b""))
        with pytest.raises(GuestError, match="it gave up"):
            function(Frame(b""))
