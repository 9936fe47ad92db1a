"""What a host module is: a class whose marked methods a guest may import.

A capability has three moments. Per function, :meth:`HostModule.check` looks at the grants and refuses early,
with the cure. Per instance, an object of the class is made when the guest first calls it, and closed with the
instance. Per frame, :meth:`HostModule.begin` forgets what belonged to the last one. A foreign host module is
one file in this folder with one such class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from weft.core.errors import WeftError
from weft.wasm.guard import KINDS, Kind, guarded
from weft.wasm.native import Stop

if TYPE_CHECKING:
    from weft.wasm.instance import Instance
    from weft.wasm.program import Settings
    from weft.wasm.trace_words import Words

Method = TypeVar("Method", bound=Callable[..., Any])


def exported(signature: str, *, failure: int | None = None) -> Callable[[Method], Method]:
    """Mark a method as a host function of this wasm type, e.g. ``"(i32 i32) -> (i32)"``.

    ``failure`` is what it answers to any refusal, where that is no errno: 0 for a handle or a length, say.
    """

    def mark(method: Method) -> Method:
        method.__dict__["wasm_signature"] = signature
        method.__dict__["wasm_failure"] = failure
        return method

    return mark


class HostPart:
    """What the host does for one instance, made when the guest first calls it.

    Class attributes:
        takes_frame: the guest gets its frame through it.
    """

    takes_frame: ClassVar[bool] = False

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    @classmethod
    def check(cls, settings: Settings, imports: frozenset[str]) -> None:
        """Refuse, with the cure, what this function can never get. Called once per function."""

    def begin(self) -> None:
        """A new frame starts."""

    def close(self) -> None:
        """The instance ends."""

    def end(self, error: WeftError) -> NoReturn:
        """End the guest at once; its frame fails with ``error``."""
        self.instance.stop(error)
        raise Stop

    def bind(self, function: str) -> Callable[..., int]:
        """What a guest's call of one import becomes."""
        raise NotImplementedError


class HostModule(HostPart):
    """One import module, for one instance. Methods marked with :func:`exported` are what guests call.

    Several classes may serve one import module, each with functions of its own.

    Their parameters are the plain integers wasm passes; they return a number or None for 0, and say no by
    raising :class:`weft.wasm.guard.Refusal`. The parameters' names say what they are to a trace; see
    :mod:`weft.wasm.trace_words`.

    Class attributes:
        name: the import module's name.
        errno: what each kind of refusal is to this module's guests.
        grant: the capability in words, for ``weft inspect``.
        prefix: what stands before each method's name in the import.
        offered: False for a module that only an interpreter of ours imports, which nobody is to be pointed to.
        words: what the values of parameters of these names mean, for a trace.
    """

    name: ClassVar[str]
    errno: ClassVar[Mapping[Kind, int]]
    grant: ClassVar[str] = ""
    prefix: ClassVar[str] = ""
    offered: ClassVar[bool] = True
    words: ClassVar[Mapping[str, Words]] = {}

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.memory = instance.memory

    @classmethod
    @functools.cache
    def signatures(cls) -> Mapping[str, str]:
        """The host functions and their wasm types."""
        methods = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("__")}
        return {
            cls.prefix + export_name(name): method.wasm_signature
            for name, method in methods.items()
            if hasattr(method, "wasm_signature")
        }

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """The grants that a guest importing these of the functions will ask for, for ``weft inspect``."""
        return ()

    def bind(self, function: str) -> Callable[..., int]:
        """The guarded method behind one import."""
        method = getattr(self, method_name(function.removeprefix(self.prefix)))
        errno = self.errno if method.wasm_failure is None else dict.fromkeys(KINDS, method.wasm_failure)
        if (trace := self.instance.settings.trace) is not None:
            from weft.wasm.trace import traced

            return traced(trace, self, function, method, errno)
        return guarded(method, f"{self.name}.{function}", errno, self.instance)


def export_name(method: str) -> str:
    """A trailing underscore keeps a method clear of Python's keywords; guests do not see it."""
    return method.rstrip("_")


def method_name(function: str) -> str:
    """The inverse of :func:`export_name` for the few names that need it."""
    return f"{function}_" if function in {"import", "from", "yield"} else function
