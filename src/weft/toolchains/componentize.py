"""Python in the component form, by ``componentize-py``: an interpreter, after its imports, kept as a snapshot.

The interpreter that runs files as they are is built once: the files reach it when an instance starts. A function that
``weft build`` makes carries its files in it.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.metadata
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from weft.core.errors import OutputError, UnavailableError
from weft.core.paths import cache_dir
from weft.core.resources import sdk
from weft.toolchains.base import Tool
from weft.toolchains.python_modules import COMPONENT_MODULES, NEEDED_MODULES
from weft.toolchains.python_source import File, Import
from weft.toolchains.search import ask, beside_python, on_path, version_in

OLDEST = (0, 25)
PACKAGE = "componentize-py"
LONGEST = 600.0
"""Seconds that making the interpreter may take."""

KEPT = 3
"""Interpreters that are kept, for versions of Weft side by side."""

_APP = "weft_app"
_FORM = "1"
"""Changes when what is generated here does."""


def find_componentize(wanted: str) -> Tool:
    """``componentize-py`` of this environment, or on PATH. Raises UnavailableError."""
    seen = ""
    for path in filter(None, (beside_python(PACKAGE), *on_path(PACKAGE))):
        version = ask([path, "--version"])
        if version_in(version) >= OLDEST:
            return Tool(version, (path,))
        seen = seen or version
    found = f"{seen} is too old: 0.25 or newer is needed" if seen else "no componentize-py here"
    raise UnavailableError(found, where=wanted, cure=f"pip install {PACKAGE}")


def app(scratch: Path, tool: Tool, imports: Iterable[Import], files: Sequence[File] = ()) -> list[str]:
    """Write what componentize-py starts from to ``scratch``, which lives as long; the command, but for ``-o``.

    Without ``files`` it is the interpreter, which asks its host for them.
    """
    own, environment = scratch / "app", scratch / "env"
    own.mkdir()
    (environment / "lib" / "site-packages").mkdir(parents=True)
    (own / f"{_APP}.py").write_text(_source(imports, files))
    world = "function" if files else "interpreter"
    # The packages around this Python are for another machine: they must not slip in.
    call = ("env", f"VIRTUAL_ENV={environment}", *tool.words, "-q", "-d", str(sdk() / "wit"), "-w", world)
    return [*call, "componentize", _APP, "-p", str(own), "-p", str(sdk() / "python")]


def _source(imports: Iterable[Import], files: Sequence[File]) -> str:
    needed = [(name, "", 0, True) for name in sorted(NEEDED_MODULES)]
    wanted = [(found.name, found.file, found.line, found.optional) for found in imports]
    return _TEMPLATE.format(
        imports="".join(f"    {words!r},\n" for words in needed + wanted),
        world=f"function({list(files)!r})" if files else "interpreter()",
    )


_TEMPLATE = """\
import importlib

IMPORTS = [
{imports}]
for name, file, line, optional in IMPORTS:
    try:
        importlib.import_module(name)
    except Exception as error:
        if not optional:
            raise ImportError(f"{{file}}:{{line}}: {{name}} is not for components: {{error}}") from None

from weft import _component

WitWorld = _component.{world}
_component.prepare()
"""


def interpreter(tell: Callable[[str], object] | None = None) -> Path:
    """The component that runs any Python function, from the cache, or built now, after ``tell`` was told.

    Raises UnavailableError where it must be built and cannot be.
    """
    path = interpreter_path()
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _build(path, tell)
    except OSError as error:
        raise OutputError(
            f"the Python interpreter cannot be kept: {error.strerror}",
            where=str(path.parent),
            cure="make it writable, or set WEFT_CACHE to a folder that is",
        ) from error
    return path


def interpreter_path() -> Path:
    """Where the component that runs any Python function is, once it has been built."""
    return cache_dir() / "python" / f"{_digest()}.wasm"


def _build(path: Path, tell: Callable[[str], object] | None) -> None:
    tool = find_componentize("Python")
    if tell:
        tell("preparing Python for the sandbox: once on this machine, about half a minute")
    with tempfile.TemporaryDirectory(prefix=".build-", dir=path.parent) as name:
        made = Path(name) / "interpreter.wasm"
        modules = [Import(module, "interpreter", 0, optional=False) for module in sorted(COMPONENT_MODULES)]
        said = _run([*app(Path(name), tool, modules), "-o", str(made)])
        if not made.exists():
            raise UnavailableError(f"{tool.title} did not make an interpreter:\n{said}", where="Python")
        made.replace(path)
    before = sorted(path.parent.glob("*.wasm"), key=lambda old: old.stat().st_mtime)
    for old in before[:-KEPT]:
        old.unlink(missing_ok=True)


def _run(command: Sequence[str]) -> str:
    """Run a command; what it said."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not done after {LONGEST:g} s"
    return done.stdout.decode(errors="replace").strip()


@functools.cache
def _digest() -> str:
    """Of everything that goes into the interpreter."""
    own = sdk()
    files = sorted([*(own / "python" / "weft").glob("*.py"), *(own / "wit").rglob("*.wit")])
    digest = hashlib.sha256(repr((_FORM, _version(), sorted(COMPONENT_MODULES | NEEDED_MODULES))).encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:32]


def _version() -> str:
    """Of componentize-py in this environment; "" where it is another's."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""
