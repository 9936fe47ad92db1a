"""What Weft ships beside its code: compiled guests, examples, headers."""

from __future__ import annotations

from pathlib import Path

from weft.core.errors import NotFoundError

_PACKAGE = Path(__file__).parents[1]
_REPOSITORY = _PACKAGE.parents[1]


def guest(name: str) -> Path:
    """A guest that was compiled when Weft was built, such as ``classify``. Raises NotFoundError."""
    return _first(_PACKAGE / "guests" / f"{name}.wasm", cure="install Weft again: it compiles its guests then")


def example(name: str) -> Path:
    """The folder of an example, in the installed package or in a checkout. Raises NotFoundError."""
    installed, checkout = _PACKAGE / "examples" / name, _REPOSITORY / "examples" / name
    return _first(installed, checkout, cure="install Weft again, with its examples")


def headers() -> Path:
    """The folder of the C headers, for ``-I``."""
    return _PACKAGE / "sdk" / "c"


def _first(*candidates: Path, cure: str) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise NotFoundError("this installation lacks it", where=str(candidates[0]), cure=cure)
