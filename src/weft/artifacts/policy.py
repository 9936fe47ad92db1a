"""A node's policy, and who else demands something: checks of what is about to be used."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from weft.artifacts.digest import short
from weft.artifacts.keys import PublicKey, parse_public, read_public
from weft.artifacts.payload import canonical
from weft.artifacts.reference import HubReference, OciReference, Reference, UrlReference, parse_reference
from weft.artifacts.settings import Check, Subject
from weft.artifacts.signature import Demand, check_signed
from weft.core.errors import DeniedError, DocumentError, NotFoundError, Problem, WeftError
from weft.core.paths import config_dir

if TYPE_CHECKING:
    from weft.spec.policy import ArtifactRule, PolicySpec

VARIABLE = "WEFT_POLICY"
FILE = "policy.yaml"
FLAG = "--verify"

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with its keys read: a Check."""

    spec: PolicySpec
    keys: dict[str, PublicKey]
    where: str

    async def __call__(self, subject: Subject) -> None:
        """Raises DeniedError for an artifact that must not be used, and as :func:`check_signed`."""
        rule = self.rule(parse_reference(subject.reference))
        if rule is None:
            if self.spec.otherwise == "deny":
                raise self._denied(subject, "no rule allows it", "add a rule that matches it")
            return
        if rule.use == "deny":
            raise self._denied(subject, f"the rule for {rule.match} refuses it", "use another, or change the rule")
        if rule.digests and not _digests(subject) & set(rule.digests):
            what = f"its digest {short(_digest(subject))}… is not among those of the rule for {rule.match}"
            raise self._denied(subject, what, f"if it is the right one, add {_digest(subject)}")
        if rule.signed:
            keys = tuple(self.keys[name] for name in rule.signed)
            await check_signed(subject, Demand(keys, rule.need == "all", rule.identity or "", self.where))

    def rule(self, reference: Reference) -> ArtifactRule | None:
        """The first rule that matches."""
        place = place_of(reference)
        return next((rule for rule in self.spec.artifacts if _matcher(rule.match).fullmatch(place)), None)

    def _denied(self, subject: Subject, what: str, cure: str) -> DeniedError:
        return DeniedError(f"the policy refuses it: {what}", where=subject.reference, cure=f"{cure} in {self.where}")


@dataclass(frozen=True, slots=True)
class Verify:
    """What ``--verify`` asks: one of these keys signed each artifact. A file that its own name pins is not asked."""

    keys: tuple[PublicKey, ...]

    async def __call__(self, subject: Subject) -> None:
        """Raises as :func:`check_signed`."""
        if not isinstance(parse_reference(subject.reference), UrlReference):
            await check_signed(subject, Demand(self.keys, asked=FLAG))


@dataclass(frozen=True, slots=True)
class All:
    """Several checks, each of which may refuse."""

    checks: tuple[Check, ...]

    async def __call__(self, subject: Subject) -> None:
        """Raises as the first of them that does."""
        for check in self.checks:
            await check(subject)


def checks(policy: Path | None = None, verify: Sequence[Path] = ()) -> Check | None:
    """What is asked of artifacts: by this node's policy, by one more, and by keys; None where nothing is.

    Nothing here takes away from another. Raises NotFoundError, InputError, DocumentError.
    """
    found: list[Check] = []
    paths = dict.fromkeys(path for path in (node_policy(), policy) if path is not None)
    found += [load_policy(path) for path in paths]
    if verify:
        found.append(Verify(tuple(map(read_public, verify))))
    return All(tuple(found)) if len(found) > 1 else next(iter(found), None)


def node_policy() -> Path | None:
    """This node's policy: ``$WEFT_POLICY``, else ``policy.yaml`` in the settings' folder if it is there."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    path = config_dir() / FILE
    return path if os.path.lexists(path) else None


def load_policy(path: Path) -> Policy:
    """A policy with its keys. Raises NotFoundError, InputError, and DocumentError with all mistakes, also of keys."""
    from weft.spec.policy import load_policy as load

    spec = load(path)
    keys: dict[str, PublicKey] = {}
    problems: list[Problem] = []
    for name, written in spec.signers.items():
        try:
            pem = written.startswith("-----BEGIN ")
            key = parse_public(written.encode(), name, name) if pem else read_public(spec.resolve(written))
        except WeftError as error:
            seen = error.what if isinstance(error, NotFoundError) or not error.where else f"{error.where}: {error.what}"
            problems.append(spec.problem(("signers", name), seen, error.cure))
        else:
            keys[name] = PublicKey(key.key, key.digest, name)
    if problems:
        raise DocumentError(problems, where=str(path))
    return Policy(spec, keys, str(path))


def place_of(reference: Reference) -> str:
    """Where an artifact is, as rules are matched against: one way of writing for one place."""
    if isinstance(reference, OciReference):
        return canonical(f"{reference.host}/{reference.repository}")
    if isinstance(reference, HubReference):
        return f"hf:{reference.repository}/{reference.path}".lower()
    return _url(reference.url)


def _url(text: str) -> str:
    parts = urlsplit(text)
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    path = posixpath.normpath("/" + unquote(parts.path).lstrip("/"))
    return f"{parts.scheme}://{(parts.hostname or '').lower()}{port}{path}"


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> re.Pattern[str]:
    if pattern.startswith("hf:"):
        pattern = pattern.lower()
    elif not pattern.startswith(("https://", "http://")):
        host, slash, rest = pattern.partition("/")
        pattern = (
            f"{canonical(f'{host}/-/-').removesuffix('/-/-')}{slash}{rest}" if "**" in rest else canonical(pattern)
        )
    parts = (".*" if part == "**" else "[^/]*" if part == "*" else re.escape(part) for part in _STARS.split(pattern))
    return re.compile("".join(parts), re.DOTALL)


_STARS = re.compile(r"(\*\*|\*)")


def _digests(subject: Subject) -> set[str]:
    """What a rule's digests may name: the artifact; of a file that is in no registry, the file."""
    if isinstance(parse_reference(subject.reference), OciReference):
        return {subject.digest, subject.manifest.digest}
    return {part.digest for part in subject.manifest.layers}


def _digest(subject: Subject) -> str:
    found = _digests(subject)
    return subject.digest if subject.digest in found else min(found, default=subject.digest)
