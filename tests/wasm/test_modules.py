"""What is loaded as a module and what is refused, with the reason and the cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wasm.harness import Driven, settings
from weft.core.errors import DeniedError, ModuleError, NotFoundError, UsageError, WeftError
from weft.core.limits import Grants
from weft.wasm.function import Function
from weft.wasm.inspect import inspect
from weft.wasm.source import MAX_MODULE, load_module

HANDLE = '(func (export "weft_handle") (result i32) (i32.const 0))'
START = '(func (export "_start"))'
WASI = "wasi_snapshot_preview1"
Wat = Callable[..., Path]


def function(path: Path, abi: str | None = None) -> Function:
    return Function(path, settings(), abi=abi)


@pytest.mark.parametrize(
    ("exports", "abi"),
    [
        (HANDLE, "reactor"),
        (START, "command"),
        (f'{START} (func (export "weft_stdio"))', "stdio"),
        (f"{START} {HANDLE}", "reactor"),
    ],
)
def test_the_abi_is_seen_from_the_exports(wat: Wat, exports: str, abi: str) -> None:
    path = wat(f"(module {exports})")
    assert function(path).abi.name == abi
    assert function(path, "auto").abi.name == abi
    assert inspect(path)["abi"] == abi


def test_a_command_can_be_called_as_stdio_when_told(wat: Wat) -> None:
    assert function(wat(f"(module {START})"), "stdio").abi.name == "stdio"


@pytest.mark.parametrize(
    ("exports", "abi", "says"),
    [
        ('(func (export "run"))', None, "speaks no ABI Weft knows; its exported functions: run"),
        ("", None, "its exported functions: none"),
        ('(global (export "weft_handle") i32 (i32.const 0))', None, "its exported functions: none"),
        (START, "reactor", "exports no weft_handle, which the ABI 'reactor' calls"),
        (HANDLE, "command", "exports no _start"),
        (HANDLE, "stdio", "exports no _start"),
        (
            '(func (export "weft_handle"))',
            None,
            "weft_handle as () -> (), but the ABI 'reactor' calls it as () -> (i32)",
        ),
        ('(func (export "_start") (param i32))', None, "_start as (i32) -> ()"),
        (f'{HANDLE} (func (export "weft_init"))', None, "weft_init as () -> ()"),
    ],
)
def test_a_module_without_what_its_abi_needs_is_refused(wat: Wat, exports: str, abi: str | None, says: str) -> None:
    with pytest.raises(ModuleError) as caught:
        function(wat(f"(module {exports})"), abi)
    assert says in caught.value.what
    assert caught.value.where
    assert caught.value.cure


def test_an_unknown_abi_names_the_nearest(wat: Wat) -> None:
    with pytest.raises(UsageError, match="did you mean 'reactor'"):
        function(wat(f"(module {HANDLE})"), "reacter")


@pytest.mark.parametrize(
    ("imported", "says", "cure"),
    [
        ('"weft" "frame_sise" (func (result i32))', "imports weft.frame_sise, which", "did you mean 'weft.frame_size'"),
        ('"wasi_ephemeral_nn" "laod" (func)', "wasi_ephemeral_nn.laod", "did you mean 'wasi_ephemeral_nn.load'"),
        ('"weftt" "emit" (func)', "weftt.emit", "did you mean 'weft.emit'"),
        ('"nowhere" "xyzzyq" (func)', "nowhere.xyzzyq", "Weft provides"),
        (f'"{WASI}" "fd_reed" (func)', f"imports {WASI}.fd_reed", "has no such function"),
        (f'"{WASI}" "fd_read" (func)', "with another type than WASI's", "wasi-libc"),
        ('"weft" "frame_size" (func (param i64) (result i32))', "as (i64) -> (i32), but it is () -> (i32)", "header"),
        ('"weft" "frame_size" (memory 1)', "as memory, but it is () -> (i32)", "header"),
        ('"weft" "frame_size" (global i32)', "as global, but it is () -> (i32)", "header"),
    ],
)  # fmt: skip
def test_an_import_nobody_has_is_refused_by_name(wat: Wat, imported: str, says: str, cure: str) -> None:
    path = wat(f"(module (import {imported}) {HANDLE})")
    with pytest.raises(ModuleError) as caught:
        function(path)
    assert says in caught.value.what
    assert cure in caught.value.cure
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(64), ModuleError, "it looks like a JPEG picture"),
        (b"\x89PNG\r\n", ModuleError, "a PNG picture"),
        (b"", ModuleError, "it is empty"),
        (b"Hello there", ModuleError, "it starts with 'Hello there'"),
        (b"\0asm\x0d\0\x01\0" + bytes(8), ModuleError, "not valid WebAssembly"),
        (b"\0asm\x01\0\0", ModuleError, "not a WebAssembly module"),
        (b"\0asm\x01\0\0\0\x01\x7f", ModuleError, "not valid WebAssembly"),
        (b"\x7fELF" + bytes(64), DeniedError, "native code that Weft did not compile"),
        (b"(module (func (export", ModuleError, "does not parse"),
        (b"(module \xff\xfe)", ModuleError, "does not parse"),
        pytest.param(b"(" * 100_000, ModuleError, "does not parse", id="deep"),
        (b'(module (func (export "weft_handle") (result i32) (i64.const 0)))', ModuleError, "not valid WebAssembly"),
        (b"(module (memory i64 1))", ModuleError, "not valid WebAssembly"),
        (b"(module (memory 1 1 shared))", ModuleError, "not valid WebAssembly"),
    ],
)
def test_what_is_no_module_is_refused_with_what_it_looks_like(
    tmp_path: Path, data: bytes, error: type[WeftError], says: str
) -> None:
    path = tmp_path / "module.wasm"
    path.write_bytes(data)
    with pytest.raises(error, match=says) as caught:
        load_module(path)
    assert caught.value.where == str(path)


def test_truncation_anywhere_is_an_error_of_the_module(guest: Callable[[str], Path], tmp_path: Path) -> None:
    whole = guest("echo").read_bytes()
    path = tmp_path / "cut.wasm"
    for size in range(0, len(whole) - 1, len(whole) // 23):
        path.write_bytes(whole[:size])
        with pytest.raises(ModuleError):
            function(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        load_module(tmp_path / "missing.wasm")
    with pytest.raises(ModuleError, match="Is a directory"):
        load_module(tmp_path)
    with pytest.raises(ModuleError, match=r"over the limit of 256\.0 MiB"):
        load_module(Path("/dev/zero"))
    large = tmp_path / "large.wasm"
    with large.open("wb") as file:
        file.truncate(MAX_MODULE + 1)
    with pytest.raises(ModuleError, match=r"over the limit of 256\.0 MiB"):
        load_module(large)


def test_unknown_capabilities_and_words_c_cannot_hold_are_refused(wat: Wat) -> None:
    path = wat(f"(module {START})")
    with pytest.raises(UsageError, match=r"did you mean 'nn\.load'"):
        Function(path, settings(grants=Grants(allow=frozenset({"nn.laod"}))))
    for options in ({"args": ("a\0b",)}, {"grants": Grants(env={"A": "1\0002"})}, {"args": ("\udcff",)}):
        with pytest.raises(UsageError):
            Function(path, settings(**options))


def test_guests_are_refused_on_the_main_thread(wat: Wat, drive: Callable[..., Driven]) -> None:
    driven = drive(wat(f"(module {HANDLE})"))
    assert driven() == []
    with pytest.raises(UsageError, match="main thread"):
        driven.handler.handle(None)  # type: ignore[arg-type]  # refused before it is looked at


def test_inspect_tells_what_a_module_is_and_needs(guest: Callable[[str], Path]) -> None:
    seen = inspect(guest("classify"))
    assert seen["abi"] == "reactor"
    assert seen["unknown"] == []
    assert "load_by_name" in seen["imports"]["wasi_ephemeral_nn"]
    assert seen["exports"]["weft_handle"] == "() -> (i32)"
    assert any("--model" in grant for grant in seen["grants"])
    assert seen["memory"]["initial"] > 0
    assert len(seen["digest"]) == len("sha256:") + 64
