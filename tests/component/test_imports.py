"""What a component imports and exports is matched before it runs, and a mismatch says what would help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.component.guests import ECHO, NN, NOTHING, RET_AT, component
from tests.wasm.harness import Driven
from weft.core.errors import GuestTrap, ModuleError
from weft.wasm.component.imports import is_wasi
from weft.wasm.component.interfaces import interfaces

Write = Callable[[str], Path]
Drive = Callable[..., Driven]
HANDLE = """
  (core module $m (memory (export "memory") 1)
    (func (export "handle") (result i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func (export "handle") (result (result (error string)))
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))"""

UNKNOWN = [
    (
        '(import "weft:function/frames@0.1.0" (instance (export "size" (func (result u64)))))',
        "did you mean 'weft:function/frame@0.1.0'",
        "always there",
    ),
    (
        '(import "weft:function/frame@0.2.0" (instance (export "size" (func (result u64)))))',
        "Weft has it as weft:function/frame@0.1.0",
        "",
    ),
    ('(import "weft:function/frame@0.1.0" (instance (export "sized" (func (result u64)))))', "did you mean 'size'", ""),
    ('(import "weft:function/frame@0.1.0" (instance (export "size" (func (result u32)))))', "current WIT files", ""),
    ('(import "weft:function/frame@0.1.0" (instance (export "frame" (type (sub resource)))))', "it has", ""),
    (
        '(import "wasi:nn/tensors@0.2.0-rc-2024-10-28" (instance (export "x" (func))))',
        "did you mean 'wasi:nn/tensor@",
        "models by name",
    ),
    ('(import "wasi:io/poll@0.3.0" (instance (export "x" (func))))', "build it for wasm32-wasip2", ""),
    ('(import "wasi:keyvalue/store@0.2.0" (instance (export "open" (func))))', "docs/components", ""),
    ('(import "wasi:http/incoming-handler@0.2.0" (instance (export "x" (func))))', "requests to granted hosts", ""),
    ('(import "wasi:http/types@0.3.0" (instance (export "x" (func))))', "build it for wasm32-wasip2", ""),
    ('(import "compute" (func (param "x" u32)))', "weft:function and WASI 0.2 are there", ""),
]


@pytest.mark.parametrize(("imported", "cure", "grant"), UNKNOWN)
def test_an_import_nobody_provides_names_the_nearest(
    write: Write, drive: Drive, imported: str, cure: str, grant: str
) -> None:
    with pytest.raises(ModuleError) as refused:
        drive(write(f"(component {imported} {HANDLE})"))
    assert imported.split('"')[1] in refused.value.what
    assert cure in refused.value.cure
    assert grant in refused.value.cure


def test_a_wasi_function_of_another_type_is_told_at_the_start(write: Write, drive: Drive) -> None:
    imported = '(import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))'
    with pytest.raises(ModuleError, match="its imports do not fit") as refused:
        drive(write(f"(component {imported} {HANDLE})"))(b"")
    assert "wall-clock" in refused.value.what


EXPORTS = [
    ("(component)", "cannot be called at all; its exported functions: none", None),
    (
        f"(component {HANDLE})".replace('(export "handle") (result (res', '(export "handel") (result (res'),
        "functions: handel",
        None,
    ),
    (f"(component {HANDLE})", "cannot be called as 'command'", "command"),
    (f"(component {HANDLE})", "cannot be called as 'reactor'", "reactor"),
]


@pytest.mark.parametrize(("wat", "says", "abi"), EXPORTS)
def test_a_component_without_the_right_exports_says_so(write: Write, wat: str, says: str, abi: str | None) -> None:
    from tests.wasm.harness import settings
    from weft.wasm.function import Function

    with pytest.raises(ModuleError, match=says) as refused:
        Function(write(wat), settings(), abi=abi)
    assert "export handle" in refused.value.cure


def test_a_handle_of_another_type_is_refused(write: Write, drive: Drive) -> None:
    wat = """(component (core module $m (func (export "handle"))) (core instance $i (instantiate $m))
      (func (export "handle") (canon lift (core func $i "handle"))))"""
    with pytest.raises(ModuleError, match=r"exports handle as func\(\), but .* func\(\) -> result<_, string>"):
        drive(write(wat))


@pytest.mark.parametrize("version", ["0.2.0-rc-2024-10-28", "0.2.0-rc-2024-08-19", "0.2.0-rc-2024-06-25"])
def test_each_version_of_wasi_nn_is_linked(write: Write, drive: Drive, version: str) -> None:
    code = f"(call $load_by_name {NOTHING} {RET_AT}) (drop (call $error_code (i32.load (i32.const 516)))) {ECHO}"
    assert drive(write(component(code).replace(NN, version)))(b"a") == [b"a"]


def test_a_component_may_import_any_version_of_wasi(write: Write, drive: Drive) -> None:
    sleeps = component(f"(call $block (call $sleep_for (i64.const 1000))) {ECHO}")
    for version in ("0.2.0", "0.2.6", "0.2.12", "0.2.99"):
        assert drive(write(sleeps.replace("@0.2.0", f"@{version}")))(b"a") == [b"a"]


def test_garbage_after_the_preamble_is_no_component(tmp_path: Path, drive: Drive) -> None:
    for number, tail in enumerate((b"", b"\x01", b"\xff" * 40, b"\x01\x04\0asm\x01\0\0\0")):
        path = tmp_path / f"{number}.wasm"
        path.write_bytes(b"\0asm\x0d\0\x01\0" + tail)
        with pytest.raises(ModuleError):
            drive(path)


def test_every_interface_has_offers_or_is_types_and_says_what_allows_it() -> None:
    for name, interface in interfaces().items():
        assert interface.offers() or interface.name == "weft:function/types"
        assert interface.grant
        assert not is_wasi(name)


def test_a_trap_in_a_named_function_says_where(write: Write, drive: Drive) -> None:
    wat = component("(call $explode)", more="(func $explode (unreachable))")
    with pytest.raises(GuestTrap, match="trapped in explode"):
        drive(write(wat))(b"")
