"""What Weft ships beside its code: compiled guests, examples, headers."""

from __future__ import annotations

from pathlib import Path

from weft.core.errors import NotFoundError
from weft.core.suggest import did_you_mean

_PACKAGE = Path(__file__).parents[1]
_REPOSITORY = _PACKAGE.parents[1]


SHIPPED = "weft:"
"""What the name of a function that comes with Weft begins with, as in ``weft:classify``."""


def module(written: str, folder: Path = Path()) -> Path:
    """The file a function's module is written as: a path, relative to ``folder``, or ``weft:NAME``.

    Raises NotFoundError for a name that Weft does not ship.
    """
    return guest(written.removeprefix(SHIPPED)) if written.startswith(SHIPPED) else folder / written


def guests() -> list[str]:
    """The names of the functions that come with Weft."""
    return sorted(path.stem for path in (_PACKAGE / "guests").glob("*.wasm"))


def guest(name: str) -> Path:
    """A function that was compiled when Weft was built, such as ``classify``. Raises NotFoundError."""
    if guests() and name not in guests():
        cure = did_you_mean(name, guests()) or f"it ships {', '.join(guests())}"
        raise NotFoundError(f"Weft ships no function '{name}'", where=f"{SHIPPED}{name}", cure=cure)
    return _first(_PACKAGE / "guests" / f"{name}.wasm", cure="install Weft again: it compiles its guests then")


def example(name: str) -> Path:
    """The folder of an example, in the installed package or in a checkout. Raises NotFoundError."""
    installed, checkout = _PACKAGE / "examples" / name, _REPOSITORY / "examples" / name
    return _first(installed, checkout, cure="install Weft again, with its examples")


def sdk() -> Path:
    """What function authors need: a folder per language with its binding, template and examples."""
    return _PACKAGE / "sdk"


def headers() -> Path:
    """The folder of the C headers, for ``-I``."""
    return sdk() / "c"


def _first(*candidates: Path, cure: str) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise NotFoundError("this installation lacks it", where=str(candidates[0]), cure=cure)
