"""The page that shows what can be asked of a server: HTML without scripts, complete in itself."""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

from weft.serve.pages.openapi import operations

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d5dbdb, #3a4444); --soft: light-dark(#f2f6f6, #1d2424); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; } p { margin: .3rem 0; }
section { border-top: 1px solid var(--line); padding: .8rem 0; }
h3 { font: 600 1rem ui-monospace, monospace; margin: 0; overflow-wrap: anywhere; }
h3 b { color: light-dark(#00695c, #4db6ac); }
pre { background: var(--soft); padding: .6rem .8rem; overflow-x: auto; border-radius: 4px; font-size: .85rem; }
""".strip()
CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_page(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for verb, path, told in operations(document):
        groups.setdefault((told.get("tags") or ["other"])[0], []).append(_section(verb, path, told))
    body = "\n".join(f"<h2>{escape(name)}</h2>\n{''.join(found)}" for name, found in groups.items())
    info = document["info"]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body><h1>'
        f"{escape(info['title'])} {escape(info['version'])}</h1><p>What this server answers. For programs: "
        '<a href="/openapi.json">openapi.json</a>. Where it asks for a key, add '
        '<code>-H "Authorization: Bearer $KEY"</code>.</p>\n'
        f"{body}\n</body></html>\n"
    )


def _section(verb: str, path: str, told: Mapping[str, Any]) -> str:
    more = f"<p>{escape(told['description'])}</p>" if "description" in told else ""
    return (
        f"<section><h3><b>{verb}</b> {escape(path)}</h3><p>{escape(told.get('summary', ''))}</p>{more}"
        f"<pre>{escape(curl(verb, path, told))}</pre></section>\n"
    )


def curl(verb: str, path: str, told: Mapping[str, Any]) -> str:
    """A command that asks for it, as a user would type it."""
    words = ["curl"]
    body = next(iter(told.get("requestBody", {}).get("content", {}).items()), None)
    if body is not None:
        kind, content = body
        example = content.get("example")
        data = "@FILE" if example is None else example if isinstance(example, str) else json.dumps(example)
        words += ["--data-binary", data, "-H", f"content-type: {kind}"]
    if verb != ("POST" if body is not None else "GET"):
        words[1:1] = ["-X", verb]
    shown = path
    for parameter in told.get("parameters", ()):
        if parameter.get("in") == "path" and "example" in parameter:
            shown = shown.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
    return f"{shlex.join(words)} http://localhost:8078{shown}"
