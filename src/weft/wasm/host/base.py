"""What a host module is: a class whose marked methods a guest may import.

A capability has three moments. Per function, :meth:`HostModule.check` looks at the grants and refuses early,
with the cure. Per instance, an object of the class is made when the guest first calls it, and closed with the
instance. Per frame, :meth:`HostModule.begin` forgets what belonged to the last one. A foreign host module is
one file in this folder with one such class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from weft.wasm.guard import Kind, guarded

if TYPE_CHECKING:
    from weft.wasm.instance import Instance
    from weft.wasm.program import Settings

Method = TypeVar("Method", bound=Callable[..., Any])


def exported(signature: str) -> Callable[[Method], Method]:
    """Mark a method as a host function of this wasm type, e.g. ``"(i32 i32) -> (i32)"``."""

    def mark(method: Method) -> Method:
        method.__dict__["wasm_signature"] = signature
        return method

    return mark


class HostModule:
    """One import module, for one instance. Methods marked with :func:`exported` are what guests call.

    Their parameters are the plain integers wasm passes; they return a number or None for 0, and say no by
    raising :class:`weft.wasm.guard.Refusal`.

    Class attributes:
        name: the import module's name.
        errno: what each kind of refusal is to this module's guests.
        grant: the capability in words, for ``weft inspect``.
    """

    name: ClassVar[str]
    errno: ClassVar[Mapping[Kind, int]]
    grant: ClassVar[str] = ""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.memory = instance.memory

    @classmethod
    @functools.cache
    def signatures(cls) -> Mapping[str, str]:
        """The host functions and their wasm types."""
        methods = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("__")}
        return {
            export_name(name): method.wasm_signature
            for name, method in methods.items()
            if hasattr(method, "wasm_signature")
        }

    @classmethod
    def check(cls, settings: Settings, imports: frozenset[str]) -> None:
        """Refuse, with the cure, what this function can never get. Called once per function."""

    def begin(self) -> None:
        """A new frame starts."""

    def close(self) -> None:
        """The instance ends."""

    def bind(self, function: str) -> Callable[..., int]:
        """The guarded method behind one import."""
        method = getattr(self, method_name(function))
        return guarded(method, f"{self.name}.{function}", self.errno, self.instance)


def export_name(method: str) -> str:
    """A trailing underscore keeps a method clear of Python's keywords; guests do not see it."""
    return method.rstrip("_")


def method_name(function: str) -> str:
    """The inverse of :func:`export_name` for the few names that need it."""
    return f"{function}_" if function in {"import", "from", "yield"} else function
