"""What a component imports, matched with who provides it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weft.core.errors import ModuleError
from weft.core.suggest import nearest
from weft.wasm.component.interface import Interface
from weft.wasm.component.interfaces import interfaces
from weft.wasm.component.shape import ROOT, Items, functions

WASI_PACKAGES = ("wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/")
"""What wasmtime provides itself, at version 0.2 and whatever follows it there."""

HTTP_PACKAGE = "wasi:http/"
_HTTP = ("wasi:http/types", "wasi:http/outgoing-handler")
"""Of HTTP: the types, and requests to granted hosts."""

_WASI_VERSION = "0.2."


@dataclass(frozen=True, slots=True)
class Import:
    """An interface as a component imports it.

    Attributes:
        name: as imported.
        host: who provides it; None for wasmtime.
        functions: those imported, with their types.
        resources: the resource types imported.
    """

    name: str
    host: type[Interface] | None
    functions: Items
    resources: tuple[str, ...]


def is_wasi(name: str) -> bool:
    """True for an interface that wasmtime provides."""
    interface, _, version = name.partition("@")
    return version.startswith(_WASI_VERSION) and (interface.startswith(WASI_PACKAGES) or interface in _HTTP)


def resolve(imported: dict[str, Items], where: str) -> list[Import]:
    """Every import with its provider. Raises ModuleError, naming the import, with the nearest known one."""
    return [_resolve(name, items, where) for name, items in imported.items()]


def unknown(imported: dict[str, Items]) -> Iterator[str]:
    """The imports nobody provides."""
    for name, items in imported.items():
        if is_wasi(name):
            continue
        host = interfaces().get(name)
        if host is None:
            yield from (f"{name}.{item}" if name else item for item in items or {"": ""})
        else:
            yield from (f"{name}.{item}" for item, text in items.items() if _fault(host, item, text))


def _resolve(name: str, items: Items, where: str) -> Import:
    resources = tuple(item for item, text in items.items() if text == "resource")
    if is_wasi(name):
        return Import(name, None, functions(items), resources)
    host = interfaces().get(name)
    if host is None:
        raise _unknown(name, items, where)
    for item, text in items.items():
        if fault := _fault(host, item, text):
            raise ModuleError(f"imports {name}.{item}{fault[0]}", where=where, cure=fault[1])
    return Import(name, host, functions(items), resources)


def _fault(host: type[Interface], item: str, text: str) -> tuple[str, str] | None:
    """What is wrong with an imported item, and its cure."""
    if text == "type":
        return None
    if text == "resource":
        known = item in host.resources
        return None if known else (", a resource the interface does not have", _has(host))
    offers = host.offers().get(item, ())
    if not offers:
        near = nearest(item, host.offers())
        return ", which the interface does not have", f"did you mean '{near}'?" if near else _has(host)
    if all(offer.text != text for offer in offers):
        return f" as {text}, but it is {offers[0].text}", "build it against the current WIT files"
    return None


def _has(host: type[Interface]) -> str:
    return f"it has {', '.join(host.offers()) or 'types alone'}"


def _unknown(name: str, items: Items, where: str) -> ModuleError:
    if name == ROOT:
        return ModuleError(
            f"imports {', '.join(items)} from no interface, and Weft provides interfaces alone",
            where=where,
            cure="import them from an interface; weft:function and WASI 0.2 are there, see docs/components",
        )
    return ModuleError(f"imports {name}, which no interface provides", where=where, cure=_cure(name))


def _cure(name: str) -> str:
    package = name.partition("@")[0]
    same = [known for known in interfaces() if known.partition("@")[0] == package]
    if same:
        return f"Weft has it as {', '.join(same)}; build it against that version"
    if package.startswith(HTTP_PACKAGE) and package not in _HTTP:
        return f"of wasi:http Weft has {' and '.join(_HTTP)}: requests to granted hosts"
    if package.startswith((*WASI_PACKAGES, HTTP_PACKAGE)):
        return f"Weft has WASI 0.2 ({package}@0.2.x); build it for wasm32-wasip2"
    near = nearest(name, interfaces())
    if near is None:
        return "see docs/components for the interfaces there are"
    return f"did you mean '{near}'?" + (
        f" What allows it: {interfaces()[near].grant}" if interfaces()[near].grant else ""
    )
