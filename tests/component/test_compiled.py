"""Components are compiled, kept and inspected like modules."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from tests.component.guests import ECHO, NOTHING, RET_AT, component
from tests.wasm.harness import Driven, Thread, settings
from weft.cli.main import main
from weft.core.errors import DeniedError, ModuleError
from weft.core.limits import MIB, Limits
from weft.wasm.component.binary import count_memories
from weft.wasm.engine import engine
from weft.wasm.function import Function
from weft.wasm.inspect import inspect
from weft.wasm.source import compile_to, load, load_module

Write = Callable[[str], Path]
Drive = Callable[..., Driven]


def binary(folder: Path, text: str) -> Path:
    path = folder / "echo.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm(text)))
    return path


def test_a_compiled_component_runs_and_keeps_its_digest(tmp_path: Path, drive: Drive) -> None:
    source = binary(tmp_path, component(ECHO))
    made = compile_to(source, tmp_path / "echo.cwasm")
    assert drive(tmp_path / "echo.cwasm")(b"hello") == [b"hello"]
    found = inspect(tmp_path / "echo.cwasm")
    assert (found["form"], found["digest"]) == ("component", f"sha256:{made.digest}")
    with pytest.raises(ModuleError, match="compiled already"):
        compile_to(tmp_path / "echo.cwasm", tmp_path / "again.cwasm")


def test_a_compiled_component_that_was_changed_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "echo.cwasm"
    compile_to(binary(tmp_path, component(ECHO)), target)
    target.write_bytes(target.read_bytes()[:-1] + b"x")
    with pytest.raises(DeniedError, match="not made here by you"):
        load(target)


def test_native_code_of_a_component_needs_trust(tmp_path: Path, drive: Drive, thread: Thread) -> None:
    raw = engine().compile_component(bytes(wasmtime.wat2wasm(component(ECHO))), "echo")
    path = tmp_path / "echo.cwasm"
    path.write_bytes(bytes(raw.serialize()))
    with pytest.raises(DeniedError, match="--trust"):
        drive(path)
    trusted = Driven(Function(path, settings(), trust=True), thread)
    assert trusted(b"a") == [b"a"]
    trusted.close()


def test_the_memories_are_counted_and_noted_for_compiled_code(tmp_path: Path, drive: Drive) -> None:
    more = "(core module $more (memory 10)) (core instance (instantiate $more)) (component (core module (memory 1)))"
    text = component(f"(i32.store #768 (memory.grow #500)) (call $emit {NOTHING} {NOTHING} #768 #4 {RET_AT})")
    text = text.replace("(core module $main", f"{more} (core module $main")
    assert count_memories(bytes(wasmtime.wat2wasm(text))) == 3
    compile_to(binary(tmp_path, text), tmp_path / "m.cwasm")
    for path in (tmp_path / "echo.wasm", tmp_path / "m.cwasm"):
        assert drive(path, limits=Limits(memory=48 * MIB))(b"") == [b"\xff\xff\xff\xff"]
        assert drive(path, limits=Limits(memory=96 * MIB + 600_000))(b"") == [b"\x02\0\0\0"]


def test_it_is_compiled_once_and_then_taken_from_the_cache(write: Write) -> None:
    path = write(component(f"{ECHO} (drop #7171)"))
    load(path)
    hits = engine().cache.hits
    load(path)
    assert engine().cache.hits == hits + 1


def test_one_that_is_in_use_is_not_even_looked_up(write: Write, drive: Drive) -> None:
    path = write(component(f"{ECHO} (drop #7172)"))
    drive(path)
    cache = engine().cache
    looked = cache.hits + cache.misses
    drive(path)
    assert cache.hits + cache.misses == looked


def test_a_component_where_a_core_module_is_needed(write: Write) -> None:
    with pytest.raises(ModuleError, match="where a core module is needed"):
        load_module(write(component(ECHO)))


def test_inspect_shows_interfaces_exports_and_what_it_may_ask_for(write: Write) -> None:
    code = f"""{ECHO} (call $load_by_name {NOTHING} {RET_AT}) (call $load {NOTHING} {NOTHING} {RET_AT})
      (call $state_get {NOTHING} {RET_AT})"""
    found = inspect(write(component(code, init="")))
    assert found["form"] == found["abi"] == "component"
    assert found["imports"]["weft:function/output@0.1.0"] == ["emit", "emit-text", "emit-latin1", "emit-frame"]
    assert found["exports"] == {"handle": "func() -> result<_, string>", "init": "func() -> result<_, string>"}
    assert found["grants"] == [
        "maybe a model by name: --model NAME=FILE",
        "maybe its own model bytes: --allow nn.load",
        "maybe its state: --state FILE",
    ]
    assert found["unknown"] == []


def test_inspect_shows_what_nobody_provides(write: Write) -> None:
    text = component(ECHO).replace("weft:function/output", "weft:function/outputs").replace('"size"', '"sizes"')
    found = inspect(write(text))
    assert "weft:function/outputs@0.1.0.emit" in found["unknown"]
    assert "weft:function/frame@0.1.0.sizes" in found["unknown"]


def test_the_command_line_inspects_compiles_and_runs_it(
    write: Write, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, target = write(component(ECHO)), tmp_path / "c.cwasm"
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["abi"] == "component"
    assert main(["compile", str(path), "-o", str(target)]) == 0
    command = [sys.executable, "-c", "from weft.cli.main import main; raise SystemExit(main())", "run", str(target)]
    done = subprocess.run(command, input=b"from stdin", capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, b"from stdin"), done.stderr
