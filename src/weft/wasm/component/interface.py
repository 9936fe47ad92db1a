"""What an interface is: a class whose marked methods a component may import.

It has the moments of :class:`weft.wasm.host.base.HostPart`: checked once per function, made with the first call of
an instance, told of every frame. An interface is one file in the folder ``interfaces`` with one such class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar, TypeVar

import numpy as np

from weft.core.errors import GuestError, WeftError
from weft.wasm.component import cvalues, native
from weft.wasm.component.handles import Handles
from weft.wasm.component.types import Result, Type, signature_text
from weft.wasm.guard import Kind, Refusal, refusal_of
from weft.wasm.host.base import HostPart
from weft.wasm.native import Stop

MAX_WORDS = 80
"""Characters of a text in a trace."""

MAX_ITEMS = 8
"""Elements of a list in a trace."""

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Offer:
    """A function of an interface: the method behind it and its type."""

    method: str
    params: tuple[Type, ...]
    result: Type | None

    @functools.cached_property
    def text(self) -> str:
        """Its type, to compare with what a component imports."""
        return signature_text(self.params, self.result)


def offered(*params: Type, result: Type | None = None, name: str = "") -> Callable[[Method], Method]:
    """Mark a method as a function of this type, imported as ``name``, or as the method is called."""

    def mark(method: Method) -> Method:
        imported_as = name or method.__name__.replace("_", "-")
        method.__dict__["offer"] = (imported_as, Offer(method.__name__, params, result))
        return method

    return mark


class Interface(HostPart):
    """An interface, for one instance.

    Methods take the values of :func:`weft.wasm.component.cvalues.read`, a handle being its number, and return what
    the type's ``write`` takes, without the "ok" around it. They say no by raising
    :class:`weft.wasm.guard.Refusal` or an error of the tree: that becomes the function's error where it has one,
    and otherwise ends the guest.

    Class attributes:
        name: package and name, without the version.
        versions: every version that is served.
        resources: the resource types it exports, by name, with their numbers.
        grant: the capability in words, for ``weft inspect``.
    """

    name: ClassVar[str]
    versions: ClassVar[tuple[str, ...]] = ("0.1.0",)
    resources: ClassVar[Mapping[str, int]] = {}
    grant: ClassVar[str] = ""

    @classmethod
    @functools.cache
    def offers(cls) -> Mapping[str, tuple[Offer, ...]]:
        """The functions by the names guests import, each with every type that one of the versions gives it."""
        found: dict[str, list[Offer]] = {}
        methods = [getattr(cls, name) for name in dir(cls) if not name.startswith("__")]
        for name, offer in (method.offer for method in methods if hasattr(method, "offer")):
            found.setdefault(name, []).append(offer)
        return {name: tuple(offers) for name, offers in found.items()}

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """The grants that a guest importing these of the functions will ask for, for ``weft inspect``."""
        return ()

    @property
    def handles(self) -> Handles:
        """The instance's resources."""
        return self.instance.host(Handles)

    def error(self, kind: Kind, message: str) -> object:
        """The error of this interface's functions; those that have one override this."""
        raise NotImplementedError

    def asked(self, values: tuple[Any, ...]) -> str:
        """A call's arguments in a trace."""
        return ", ".join(map(_words, values))

    def told(self, value: Any) -> str:
        """A call's value in a trace."""
        return "" if value is None else f"= {_words(value)}"

    def bind(self, function: str) -> Callable[..., int]:
        """The function (its name and type, as text) as wasmtime calls it.

        What the method raises becomes its error or the guest's end; Stop, and a defect of the host, pass through.
        """
        name, _, text = function.partition(" ")
        offer = next(offer for offer in self.offers()[name] if offer.text == text)
        label, result = f"{self.name.rpartition('/')[2]}.{name}", offer.result
        method = self._traced(getattr(self, offer.method), label)

        def call(context: int, args: int, count: int, results: int) -> int:
            resource = functools.partial(native.number_of, context)
            values = [cvalues.read(args + index * cvalues.SIZE, resource) for index in range(count)]
            value = self._answer(method, values, label, result)
            if result is not None:
                result.write(results, value, functools.partial(_make, context))
            return 0

        return call

    def _traced(self, method: Callable[..., Any], label: str) -> Callable[..., Any]:
        """The method, telling of every call where its function is traced."""
        trace, name = self.instance.settings.trace, self.instance.settings.name
        if trace is None:
            return method

        def told(*values: Any) -> Any:
            started, came = perf_counter(), "failed"
            try:
                value = method(*values)
                came = self.told(value)
            except (Refusal, WeftError) as error:
                came = f"refused: {error.reason if isinstance(error, Refusal) else error.what}"
                raise
            finally:
                trace.call(name, f"{label}({self.asked(values)})", came, perf_counter() - started)
            return value

        return told

    def _answer(self, method: Callable[..., Any], values: list[Any], label: str, result: Type | None) -> Any:
        fails = isinstance(result, Result)
        try:
            value = method(*values)
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 - an engine or a codec may raise anything; the guest gets an error
            return self._refused(refusal_of(error), label, fails=fails)
        return (True, value) if fails else value

    def _refused(self, refusal: Refusal, label: str, *, fails: bool) -> Any:
        """The error value for the guest, or its end where the function has none."""
        if not fails:
            self.end(GuestError(f"{label}: {refusal.reason}", where=self.instance.settings.name, cure=refusal.cure))
        if refusal.reason:
            self.instance.note(f"{label}: {refusal.reason}", refusal.cure)
        return False, self.error(refusal.kind, refusal.reason)


def _words(value: object) -> str:
    """A value in a trace: texts cut, and of bytes only how many."""
    if isinstance(value, str):
        return repr(value[:MAX_WORDS]) + ("…" if len(value) > MAX_WORDS else "")
    if isinstance(value, bytes | memoryview | np.ndarray):
        return f"{len(value) if isinstance(value, bytes) else value.nbytes} bytes"
    if isinstance(value, list | tuple):
        more = ", …" if len(value) > MAX_ITEMS else ""
        return f"[{', '.join(map(_words, value[:MAX_ITEMS]))}{more}]"
    return str(value)


def _make(context: int, address: int, handle: tuple[int, int]) -> None:
    native.make_handle(context, address, *handle)
