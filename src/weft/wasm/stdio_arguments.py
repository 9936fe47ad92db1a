"""The arguments of a call, read from a header that a guest wrote: anything may be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from weft.wasm.guard import Refusal

_MISSING = object()
MAX_NUMBER = 2**63
MAX_NUMBERS = 65_536


class Arguments:
    """One header. Every method raises Refusal ("invalid"), with the argument's name, for what is missing or wrong."""

    def __init__(self, header: Mapping[str, object]) -> None:
        self._header = header

    def text(self, name: str, default: str | None = None) -> str:
        """A text."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise _wrong(name, "a text", value)
        return value

    def number(self, name: str) -> int:
        """A whole number from 0."""
        return _number(name, self._get(name, None))

    def numbers(self, name: str, default: Sequence[int] | None = None) -> Sequence[int]:
        """Whole numbers from 0."""
        value = self._get(name, default)
        if not isinstance(value, (list, tuple)) or len(value) > MAX_NUMBERS:
            raise _wrong(name, "a list of numbers", value)
        return [_number(name, item) for item in value]

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """Pairs of texts; none where it is left out."""
        value = self._header.get(name, [])
        if not isinstance(value, list) or not all(map(_is_pair, value)):
            raise _wrong(name, "a list of pairs of texts", value)
        return [(first, second) for first, second in value]

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._header.get(name, default)
        if not isinstance(value, bool):
            raise _wrong(name, "true or false", value)
        return value

    def one_of(self, name: str, names: Sequence[str], default: str) -> int:
        """The number of a name."""
        value = self.text(name, default)
        if value not in names:
            raise _wrong(name, f"one of {', '.join(names)}", value)
        return names.index(value)

    def triple(self, name: str) -> tuple[float, float, float] | None:
        """Three numbers, or None for none."""
        value = self._header.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 3:
            raise _wrong(name, "three numbers", value)
        red, green, blue = (_real(name, item) for item in value)
        return red, green, blue

    def inputs(self, name: str) -> Mapping[str, int] | Sequence[int]:
        """Tensors by the names of a model's inputs, or in their order."""
        value = self._get(name, None)
        if isinstance(value, dict):
            return {key: _number(name, item) for key, item in value.items()}
        return self.numbers(name)

    def _get(self, name: str, default: object) -> object:
        value = self._header.get(name, _MISSING)
        if value is _MISSING:
            if default is None:
                raise Refusal("invalid", f"the call lacks '{name}'")
            return default
        return value


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def _number(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MAX_NUMBER:
        raise _wrong(name, "a whole number from 0", value)
    return value


def _real(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong(name, "three numbers", value)
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    if not math.isfinite(real):
        raise _wrong(name, "three numbers", value)
    return real


def _wrong(name: str, wanted: str, value: object) -> Refusal:
    return Refusal("invalid", f"'{name}' is to be {wanted}, and is {str(value)[:40]!r}")
