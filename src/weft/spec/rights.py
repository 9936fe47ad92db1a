"""The access document of a server: who may call it, and do what with which models and functions.

::

    keys:
      - {name: line-3, hash: "sha256:…"}
    tokens:
      - {name: plant, issuer: https://login.example, audience: weft, algorithms: [RS256], jwks: jwks.json}
    rights:
      - {caller: line-3, infer: [model/mobilenet*, function/blur]}
      - {caller: plant/*, read: ["*"], rate: 10}

What no entry of ``rights`` allows is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from weft.core.errors import DocumentError
from weft.core.suggest import did_you_mean
from weft.spec.document import Document, Mistake, parse_document
from weft.spec.kind import CALLED, other_kind
from weft.spec.reader import Parsed, read, read_file
from weft.spec.values import Age, AsTuple, Duration, Part, mistake

MAX_ENTRIES = 1000
MAX_TARGETS = 256
MAX_TEXT = 256
MAX_RATE = 1_000_000
ACTIONS = ("infer", "read", "manage")
"""What may be allowed, as the keys of an entry call it."""

Algorithm = Literal["RS256", "ES256", "EdDSA"]
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_TARGET = re.compile(r"\*|server|metrics|(model|function)/[^/\s]+")
_LOCAL = ("localhost", "127.0.0.1", "::1")


def is_caller_name(text: str) -> bool:
    """Whether a key, or an issuer of tokens, can be called so."""
    return _NAME.fullmatch(text) is not None


def _name(text: str) -> str:
    if not is_caller_name(text):
        raise mistake(f"'{text[:64]}' is no caller's name", "use up to 64 letters, digits, '_', '-' and '.'")
    return text


def _caller(text: str) -> str:
    if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
        raise mistake(f"'{text[:64]}' is no caller", "write a key's name, or TOKENS/SUBJECT, with * for any letters")
    return text


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise mistake(
            "is no key's hash", "write the line that `weft key caller NAME` prints; the key itself is not kept"
        )
    return text


def _target(text: str) -> str:
    if len(text) > MAX_TEXT or not _TARGET.fullmatch(text):
        cure = "write model/NAME or function/NAME, with * for any letters, or server, metrics, or * for all"
        raise mistake(f"'{text[:64]}' is nothing that is served", cure)
    return text


def _plain(text: str) -> str:
    if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
        raise mistake("has no value", "write what the tokens hold")
    return text


def _jwks(text: str) -> str:
    parts = urlsplit(text)
    if "://" not in text:
        return _plain(text)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL):
        return text
    raise mistake("is no place for keys that can be trusted", "write an https:// address, or a file's path")


Name = Annotated[str, AfterValidator(_name)]
Targets = Annotated[tuple[Annotated[str, AfterValidator(_target)], ...], AsTuple]
Words = Annotated[str, AfterValidator(_plain)]


def _some_algorithms(given: tuple[Algorithm, ...]) -> tuple[Algorithm, ...]:
    if not given:
        raise mistake("must not be empty", "list those the issuer signs with: RS256, ES256 or EdDSA")
    return given


class ApiKey(Part):
    """A key that a caller sends with its requests."""

    name: Name = Field(description="The caller's name, as `weft key caller NAME` was given it.")
    hash: Annotated[str, AfterValidator(_hash)] = Field(
        description="The key's SHA-256, as `weft key caller NAME` prints it. The key itself stands nowhere."
    )


class TokenIssuer(Part):
    """Who signs tokens (JWT) that are believed."""

    name: Name = Field(description="What callers with these tokens are called by: `NAME/SUBJECT`.")
    issuer: Words = Field(description="What the claim `iss` must be.")
    audience: Words = Field(description="What the claim `aud` must be, or hold.")
    algorithms: Annotated[tuple[Algorithm, ...], AsTuple, AfterValidator(_some_algorithms)] = Field(
        description="How tokens may be signed; no others are looked at.", json_schema_extra={"minItems": 1}
    )
    jwks: Annotated[str, AfterValidator(_jwks)] = Field(
        description="The issuer's public keys: a file, relative to this document, or an `https://` address."
    )
    subject: Words = Field(default="sub", description="The claim that names the caller.")
    leeway: Duration = Field(default=30.0, description="How far clocks may be apart.")
    refresh: Age = Field(default=3600.0, description="After this long the keys are fetched again.")
    retry: Duration = Field(
        default=30.0, description="Least time between two fetches, when tokens name keys that are not known."
    )


class Right(Part):
    """What some callers may do. A caller has what all the entries for its name allow."""

    caller: Annotated[str, AfterValidator(_caller)] = Field(
        description="A key's name, or `TOKENS/SUBJECT`; `*` stands for any letters, but not for the slash after TOKENS."
    )
    infer: Targets = Field(default=(), max_length=MAX_TARGETS, description="What it may use.")
    read: Targets = Field(default=(), max_length=MAX_TARGETS, description="What it may see: metadata and statistics.")
    manage: Targets = Field(default=(), max_length=MAX_TARGETS, description="What it may load, unload and set.")
    rate: float | None = Field(
        default=None, gt=0, le=MAX_RATE, description="Requests a second for each caller; the least of several holds."
    )
    burst: int | None = Field(
        default=None, ge=1, le=MAX_RATE, description="Requests at once after a pause; a second's worth if absent."
    )

    @model_validator(mode="after")
    def _grants(self) -> Right:
        if not any(getattr(self, action) for action in ACTIONS):
            raise mistake("allows nothing", f"give it one of {', '.join(ACTIONS)}; who has no entry may do nothing")
        if self.burst is not None and self.rate is None:
            raise mistake("has a burst and no rate", "give the rate, too, or leave the burst out")
        return self


def _some(rights: tuple[Right, ...]) -> tuple[Right, ...]:
    if not rights:
        raise mistake("must not be empty", "add at least one entry")
    return rights


class RightsSpec(Document):
    """Who may call a server, and what for."""

    description: str = Field(default="", description="What it is for.")
    keys: Annotated[tuple[ApiKey, ...], AsTuple] = Field(
        default=(), max_length=MAX_ENTRIES, description="Callers with keys."
    )
    tokens: Annotated[tuple[TokenIssuer, ...], AsTuple] = Field(
        default=(), max_length=32, description="Issuers of tokens."
    )
    rights: Annotated[tuple[Right, ...], AsTuple, AfterValidator(_some)] = Field(
        max_length=MAX_ENTRIES,
        description="What is allowed; everything else is refused.",
        json_schema_extra={"minItems": 1},
    )


def load_rights(path: str | os.PathLike[str]) -> RightsSpec:
    """The access document in a YAML file.

    Raises NotFoundError or InputError when the file cannot be read and DocumentError, with every mistake, when
    it is not right.
    """
    file = Path(path)
    return parse_rights(read_file(file), where=str(file), folder=file.parent)


def parse_rights(content: str | bytes, *, where: str = "", folder: Path = Path()) -> RightsSpec:
    """The access document in YAML text. Raises DocumentError.

    ``where`` names it in errors; ``folder`` is where its files are.
    """
    parsed = read(content)
    _refuse_others(parsed, where)
    return parse_document(parsed, RightsSpec, where=where, checks=[_names, _callers]).placed(folder, parsed)


def _refuse_others(parsed: Parsed, where: str) -> None:
    if other := other_kind(parsed, "rights"):
        problem = parsed.problem((), f"is {CALLED[other]}, not a server's rights", "name a file with keys: and rights:")
        raise DocumentError([problem], where=where)


def _entries(data: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    given = data.get(key)
    if isinstance(given, list):
        yield from ((index, entry) for index, entry in enumerate(given) if isinstance(entry, Mapping))


def _names(data: Mapping[str, Any]) -> Iterable[Mistake]:
    """Names, and hashes, that are there twice."""
    for field, lists in (("name", ("keys", "tokens")), ("hash", ("keys",))):
        seen: set[str] = set()
        for key in lists:
            for index, entry in _entries(data, key):
                value = entry.get(field)
                if isinstance(value, str) and value in seen:
                    yield (key, index, field), "is there twice", "give each caller a name and a key of its own"
                seen.add(str(value))


def _callers(data: Mapping[str, Any]) -> Iterable[Mistake]:
    """Entries for callers that cannot be."""
    keys = [str(entry.get("name")) for _, entry in _entries(data, "keys")]
    tokens = [str(entry.get("name")) for _, entry in _entries(data, "tokens")]
    for index, entry in _entries(data, "rights"):
        caller = entry.get("caller")
        if not isinstance(caller, str) or not caller:
            continue
        head, slash, _ = caller.partition("/")
        known = tokens if slash else keys
        if not any(fits(head, name) for name in known):
            cure = did_you_mean(head, known) or f"name one of the {'tokens' if slash else 'keys'} above"
            yield ("rights", index, "caller"), f"'{caller[:64]}' is nobody", cure


def fits(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says, in which ``*`` stands for any letters, or none."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
