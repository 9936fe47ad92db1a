"""The access document: which certificate may publish, take, ask and answer which streams.

::

    rules:
      - {certificate: camera-*, publish: [cam/*]}
      - {certificate: viewer, subscribe: [cam/*, labels]}

What no rule allows is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from weft.core.errors import DocumentError
from weft.spec.delivery import Scope
from weft.spec.document import Document, parse_document
from weft.spec.endpoints import MAX_INPUTS
from weft.spec.kind import CALLED, other_kind
from weft.spec.reader import Parsed, read, read_file
from weft.spec.values import AsTuple, Part, StreamPattern, mistake

MAX_RULES = 1000
MAX_CERTIFICATE = 64
"""Characters that the name in a certificate may have."""

RIGHTS = ("publish", "subscribe", "ask", "answer")
"""What may be granted, as the keys of a rule call it."""


def _certificate(name: str) -> str:
    if not name.strip() or len(name) > MAX_CERTIFICATE or not name.isprintable():
        cure = "write it as `weft cert` was given it, with * for any letters, such as camera-*"
        raise mistake(f"'{name[:MAX_CERTIFICATE]}' is no certificate's name", cure)
    return name


Certificate = Annotated[str, AfterValidator(_certificate)]
"""The name in a certificate, as ``weft cert NAME`` was given it, with ``*`` for any letters, or none."""
Patterns = Annotated[tuple[StreamPattern, ...], AsTuple]


class AccessRule(Part):
    """What the devices with some certificates may do. A device has what all the rules for its name allow."""

    certificate: Certificate = Field(
        description="The name in the certificate, as `weft cert NAME` was given it; `*` stands for any letters."
    )
    publish: Patterns = Field(default=(), max_length=MAX_INPUTS, description="Streams it may publish.")
    subscribe: Patterns = Field(default=(), max_length=MAX_INPUTS, description="Streams it may take.")
    ask: Patterns = Field(default=(), max_length=MAX_INPUTS, description="Streams it may send requests to.")
    answer: Patterns = Field(default=(), max_length=MAX_INPUTS, description="Streams whose requests it may answer.")
    scope: Scope | None = Field(
        default=None,
        description="`site`: only streams that stay within the site. `global`: only those that all sites may see. Both "
        "if absent.",
    )

    @model_validator(mode="after")
    def _grants(self) -> AccessRule:
        if not any(getattr(self, right) for right in RIGHTS):
            raise mistake(
                "allows nothing", f"give it one of {', '.join(RIGHTS)}; who has no rule may do nothing anyway"
            )
        return self


def _some(rules: tuple[AccessRule, ...]) -> tuple[AccessRule, ...]:
    if not rules:
        raise mistake("must not be empty", "add at least one entry")
    return rules


class AccessSpec(Document):
    """Who may do what with which streams."""

    description: str = Field(default="", description="What it is for.")
    # Counted once each of them is right: rules that are all wrong are not none.
    rules: Annotated[tuple[AccessRule, ...], AsTuple, AfterValidator(_some)] = Field(
        max_length=MAX_RULES,
        description="What is allowed; everything else is refused.",
        json_schema_extra={"minItems": 1},
    )


def load_access(path: str | os.PathLike[str]) -> AccessSpec:
    """The rules in a YAML file.

    Raises NotFoundError or InputError when the file cannot be read and DocumentError, with every mistake, when
    it is not right.
    """
    file = Path(path)
    return parse_access(read_file(file), where=str(file))


def parse_access(content: str | bytes, *, where: str = "") -> AccessSpec:
    """The rules in YAML text. ``where`` names the document in errors. Raises DocumentError."""
    parsed = read(content)
    _refuse_others(parsed, where)
    return parse_document(parsed, AccessSpec, where=where).placed(Path(), parsed)


def _refuse_others(parsed: Parsed, where: str) -> None:
    if other := other_kind(parsed, "access"):
        problem = parsed.problem((), f"is {CALLED[other]}, not access rules", "name a file that begins with rules:")
        raise DocumentError([problem], where=where)
