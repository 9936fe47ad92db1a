"""The OpenAPI document of a server, put together of what its faces say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weft import __version__

Document = dict[str, Any]

VERBS = ("get", "put", "post", "delete", "patch", "head", "options")
_REFUSALS = {
    "400": "The request is wrong: the answer says what, and what to do.",
    "401": "Who asks is not known.",
    "403": "The caller lacks a right, which the answer names.",
    "404": "There is no such thing.",
    "408": "The request did not go on in time.",
    "413": "The body is larger than what is taken.",
    "429": "The caller asks more often than it may.",
    "500": "The model, the function or the server failed.",
    "503": "There is no room now, or it is not ready.",
    "504": "It took longer than it may.",
}
_RETRY = ("429", "503")


def openapi_document(parts: Iterable[Mapping[str, Any]]) -> Document:
    """One document, OpenAPI 3.1, of the ``paths``, ``components`` and ``tags`` of several.

    Every operation gets the answers that all may have; those it describes itself stay as they are.
    """
    paths: Document = {}
    components: Document = {"schemas": {"Error": _ERROR}, "responses": _refusals(), "securitySchemes": _SCHEMES}
    for part in parts:
        for path, item in part.get("paths", {}).items():
            paths.setdefault(path, {}).update({verb: _completed(verb, told) for verb, told in item.items()})
        for kind, found in part.get("components", {}).items():
            components.setdefault(kind, {}).update(found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Weft", "version": __version__, "description": "Models and functions, served."},
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}, {"key": []}],
        "paths": paths,
        "components": components,
    }


def operations(document: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    """Verb in upper case, path and description of every operation."""
    for path, item in document["paths"].items():
        yield from ((verb.upper(), path, told) for verb, told in item.items() if verb in VERBS)


def _completed(verb: str, told: Any) -> Any:
    if verb not in VERBS:
        return told
    general = {code: {"$ref": f"#/components/responses/{code}"} for code in _REFUSALS}
    return {**told, "responses": {**general, **told.get("responses", {})}}


def _refusals() -> Document:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    found: Document = {code: {"description": text, "content": content} for code, text in _REFUSALS.items()}
    for code in _RETRY:
        found[code]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return found


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What happened, and in parentheses what to do."}},
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key or a token."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
