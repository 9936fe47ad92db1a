"""What a component imports and exports, in words: ``{"weft:function/frame@0.1.0": {"size": "func() -> u64"}}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wasmtime import component as wc

from weft.wasm.component.types import signature_text
from weft.wasm.engine import engine

Items = dict[str, str]
"""The functions (and ``resource`` and ``type`` for the rest) of an interface, by name."""

ROOT = ""
"""Under this name stand the functions that belong to no interface."""


def imports(raw: wc.Component) -> dict[str, Items]:
    """What it imports, by interface."""
    return _by_interface(raw.type.imports(engine().raw))


def exports(raw: wc.Component) -> dict[str, Items]:
    """What it exports, by interface."""
    return _by_interface(raw.type.exports(engine().raw))


def functions(items: Items) -> Items:
    """The functions among an interface's items, with their types."""
    return {name: text for name, text in items.items() if text.startswith("func(")}


def _by_interface(externs: Mapping[str, Any]) -> dict[str, Items]:
    found: dict[str, Items] = {}
    for name, extern in externs.items():
        ty = extern.ty
        if isinstance(ty, wc.ComponentInstanceType):
            found[name] = {item: _text(inner.ty) for item, inner in ty.exports(engine().raw).items()}
        else:
            found.setdefault(ROOT, {})[name] = _text(ty)
    return found


def _text(item: Any) -> str:
    if isinstance(item, wc.FuncType):
        result = item.result
        return signature_text([describe(ty) for _, ty in item.params], describe(result) if result else None)
    if isinstance(item, wc.ResourceType):
        return "resource"
    return "type" if isinstance(item, wc.ValType) else "other"


def describe(ty: wc.ValType) -> str:
    """A type's text, as :mod:`weft.wasm.component.types` writes it."""
    name = type(ty).__name__
    return _COMPOUND[name](ty) if name in _COMPOUND else name.lower()


def _fields(pairs: list[tuple[str, wc.ValType]]) -> str:
    return ", ".join(f"{name}: {describe(ty)}" for name, ty in pairs)


def _cases(pairs: list[tuple[str, wc.ValType | None]]) -> str:
    return ", ".join(f"{name}({describe(ty)})" if ty else name for name, ty in pairs)


def _result(ty: Any) -> str:
    ok, err = ty.ok, ty.err
    if err is None:
        return f"result<{describe(ok)}>" if ok else "result"
    return f"result<{describe(ok) if ok else '_'}, {describe(err)}>"


_COMPOUND: dict[str, Callable[[Any], str]] = {
    "ListType": lambda ty: f"list<{describe(ty.element)}>",
    "RecordType": lambda ty: f"record{{{_fields(ty.fields)}}}",
    "TupleType": lambda ty: f"tuple<{', '.join(map(describe, ty.elements))}>",
    "VariantType": lambda ty: f"variant{{{_cases(ty.cases)}}}",
    "EnumType": lambda ty: f"enum{{{', '.join(ty.names)}}}",
    "FlagsType": lambda ty: f"flags{{{', '.join(ty.names)}}}",
    "OptionType": lambda ty: f"option<{describe(ty.payload)}>",
    "ResultType": _result,
    "OwnType": lambda _: "own",
    "BorrowType": lambda _: "borrow",
}
