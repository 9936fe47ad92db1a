"""The policy document: which functions and models a node uses, by where they come from and who signed them.

::

    signers:
      release: release.pub
    artifacts:
      - {match: registry.example/ml/**, signed: [release]}
      - {match: "hf:org/*/**", digests: ["sha256:9f86…"]}
    otherwise: deny
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from weft.core.errors import DocumentError
from weft.core.suggest import did_you_mean
from weft.spec.document import Document, Mistake, parse_document
from weft.spec.kind import CALLED, other_kind
from weft.spec.reader import read, read_file
from weft.spec.values import AsTuple, Part, StageName, mistake

MAX_RULES = 1000
MAX_KEYS = 100
MAX_DIGESTS = 1000
MAX_PATTERN = 1024
MAX_KEY = 4096

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OTHERS = ("hf:", "https://", "http://")
_PEM = "-----BEGIN "


def _pattern(text: str) -> str:
    plain = text.removeprefix("oci://")
    if not plain or len(plain) > MAX_PATTERN or not plain.isprintable() or " " in plain:
        raise mistake("is no place", "write it like registry.example/ml/**, hf:org/repo/* or https://example.org/**")
    if plain.startswith(_OTHERS):
        return plain
    if "/" not in plain and "**" not in plain:
        raise mistake("names no repository", f"write {plain}/** for all of a registry")
    if "@" in plain or "#" in plain:
        raise mistake("must name a place alone", "put digests under digests:, and leave out files")
    if "/" in plain and ":" in plain.rpartition("/")[2]:
        raise mistake("has a tag, which may stand for anything", f"write {plain.rpartition(':')[0]}")
    return plain


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise mistake(f"'{text[:80]}' is no digest", "write sha256: and 64 hex digits, in small letters")
    return text


def _key(text: str) -> str:
    if text.startswith(_PEM):
        return text
    if not text or not text.isprintable() or len(text) > MAX_KEY:
        raise mistake("is no key", "write the path of a .pub file, or its PEM text itself")
    return text


Place = Annotated[str, AfterValidator(_pattern)]
"""Where artifacts are: registry and repository, ``hf:`` or ``https://``; ``*`` within a part, ``**`` for any parts."""
Digest = Annotated[str, AfterValidator(_digest)]
"""``sha256:`` and 64 hex digits."""
KeyText = Annotated[str, AfterValidator(_key)]
"""A public key: a file, relative to the document's own folder unless absolute, or PEM text."""
Name = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN)]


class ArtifactRule(Part):
    """What is asked of the artifacts of some places."""

    match: Place = Field(
        description="Where they are: `registry.example/ml/**`, `hf:org/repo/*`, `https://example.org/**`. `*` stands "
        "for anything within a part, `**` for any parts."
    )
    signed: Annotated[tuple[StageName, ...], AsTuple] = Field(
        default=(), max_length=MAX_KEYS, description="The signers, one of whom must have signed them."
    )
    need: Literal["any", "all"] = Field(
        default="any", description="`all`: every signer under `signed` must have signed, not one of them."
    )
    identity: Name | None = Field(
        default=None,
        description="The name they were signed for, such as `registry.example/ml/classify`; their own registry and "
        "repository if absent. For mirrors.",
    )
    digests: Annotated[tuple[Digest, ...], AsTuple] = Field(
        default=(),
        max_length=MAX_DIGESTS,
        description="The digests that they may have: of the artifact in a registry, of the file elsewhere.",
    )
    use: Literal["allow", "deny"] | None = Field(
        default=None, description="`allow` asks nothing of them, `deny` refuses them."
    )

    @model_validator(mode="after")
    def _asks_one_thing(self) -> ArtifactRule:
        asks = bool(self.signed or self.digests)
        if asks == (self.use is not None):
            what = "asks for something and has `use`" if asks else "asks for nothing"
            raise mistake(what, "give it signed:, digests:, or both; or else use: allow or use: deny")
        if not self.signed and (self.need != "any" or self.identity is not None):
            raise mistake("has `need` or `identity` without `signed`", "name signers under signed:")
        if self.signed and self.match.startswith(_OTHERS):
            raise mistake("asks for a signature where none can be", "give it digests:")
        return self


class PolicySpec(Document):
    """Which functions and models a node uses. The first rule that matches decides."""

    description: str = Field(default="", description="What it is for.")
    signers: dict[StageName, KeyText] = Field(
        default_factory=dict,
        max_length=MAX_KEYS,
        description="Whose signatures count, by names: a public key's `.pub` file, relative to this document, or its "
        "PEM text.",
    )
    artifacts: Annotated[tuple[ArtifactRule, ...], AsTuple] = Field(
        max_length=MAX_RULES, description="What is asked of which artifacts; the first rule that matches decides."
    )
    otherwise: Literal["deny", "allow"] = Field(
        default="deny", description="What becomes of artifacts that no rule matches."
    )


def load_policy(path: str | os.PathLike[str]) -> PolicySpec:
    """The policy in a YAML file.

    Raises NotFoundError or InputError when the file cannot be read and DocumentError, with every mistake, when
    it is not right.
    """
    file = Path(path)
    return parse_policy(read_file(file), where=str(file), folder=file.parent)


def parse_policy(content: str | bytes, *, where: str = "", folder: Path = Path()) -> PolicySpec:
    """The policy in YAML text; keys are relative to ``folder``. Raises DocumentError."""
    parsed = read(content)
    if other := other_kind(parsed, "policy"):
        problem = parsed.problem((), f"is {CALLED[other]}, not a policy", "name a file that has artifacts:")
        raise DocumentError([problem], where=where)
    return parse_document(parsed, PolicySpec, where=where, checks=(_known_signers,)).placed(folder, parsed)


def _known_signers(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Rules name signers that are there. The data may be wrong in any way."""
    signers = data.get("signers")
    known = [str(name) for name in signers] if isinstance(signers, Mapping) else []
    rules = data.get("artifacts")
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        names = rule.get("signed") if isinstance(rule, Mapping) else None
        for place, name in enumerate(names if isinstance(names, list) else []):
            if isinstance(name, str) and name not in known:
                cure = did_you_mean(name, known) or "give it its key under signers:"
                yield ("artifacts", number, "signed", place), f"there is no signer '{name[:80]}'", cure
