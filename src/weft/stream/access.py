"""Access rules: what the name in a certificate allows, and the same in the form that Zenoh takes.

Zenoh looks at every message of every link and knows the certificate at its other end. What comes in is held against
what a device may publish and answer; what goes out, against what it may take and ask. So a subscription to a pattern
that is wider than the rights brings what the rights allow, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from weft.core.streams import overlap
from weft.spec.access import AccessRule, AccessSpec, load_access
from weft.stream.names import ALIVE, ASK, CACHE, GIVEN, GLOBAL, GROUP, STATE, TAKEN, key_pattern, may_key

Right = Literal["publish", "subscribe", "ask", "answer"]
RIGHTS: tuple[Right, ...] = get_args(Right)


@dataclass(frozen=True, slots=True)
class _Way:
    """What a right lets through.

    Attributes:
        messages: kinds of Zenoh's messages.
        flow: their direction, as the router sees it.
        below: what stands below the streams' keys.
        any_stream: for any stream, not only those of the rule: questions and subscriptions carry patterns, and what
            comes back for them is held against the rule.
    """

    messages: tuple[str, ...]
    flow: Literal["ingress", "egress"]
    below: str = ""
    any_stream: bool = False


_WAYS: Mapping[Right, tuple[_Way, ...]] = {
    "publish": (
        _Way(("put",), "ingress"),
        _Way(("declare_queryable", "reply"), "ingress", f"/{CACHE}/*"),
        _Way(("liveliness_token",), "ingress", f"/{ALIVE}/**"),
        _Way(("liveliness_token",), "ingress", f"/{STATE}/**"),
        _Way(("declare_subscriber",), "egress", any_stream=True),
        _Way(("query",), "egress", f"/{CACHE}/*", any_stream=True),
        # To members of groups, which announce themselves by patterns.
        _Way(("put",), "ingress", f"/{GIVEN}/**"),
        _Way(("declare_subscriber",), "egress", f"/{GIVEN}/**", any_stream=True),
        _Way(("declare_subscriber",), "ingress", f"/{TAKEN}/**"),
        _Way(("put",), "egress", f"/{TAKEN}/**"),
        _Way(("liveliness_query", "declare_liveliness_subscriber"), "ingress", f"/{GROUP}/**"),
        _Way(("liveliness_token",), "egress", f"/{GROUP}/**", any_stream=True),
    ),
    "subscribe": (
        _Way(("put",), "egress"),
        _Way(("declare_queryable", "reply"), "egress", f"/{CACHE}/*"),
        _Way(("liveliness_token",), "egress", f"/{ALIVE}/**"),
        _Way(("liveliness_token",), "egress", f"/{STATE}/**"),
        _Way(("declare_subscriber",), "ingress", any_stream=True),
        _Way(("query",), "ingress", f"/{CACHE}/*", any_stream=True),
        _Way(("liveliness_query", "declare_liveliness_subscriber"), "ingress", f"/{ALIVE}/**", any_stream=True),
        _Way(("liveliness_query", "declare_liveliness_subscriber"), "ingress", f"/{STATE}/**", any_stream=True),
        # As a member of a group, for no more than the rule's streams: what a member is given, others do not get.
        _Way(("liveliness_token",), "ingress", f"/{GROUP}/**"),
        _Way(("put",), "egress", f"/{GIVEN}/**"),
        _Way(("declare_subscriber",), "ingress", f"/{GIVEN}/**", any_stream=True),
        _Way(("put",), "ingress", f"/{TAKEN}/**"),
        _Way(("declare_subscriber",), "egress", f"/{TAKEN}/**", any_stream=True),
        _Way(("liveliness_query", "declare_liveliness_subscriber"), "ingress", f"/{GROUP}/**", any_stream=True),
        _Way(("liveliness_token",), "egress", f"/{GROUP}/**"),
    ),
    "ask": (
        _Way(("query",), "ingress", f"/{ASK}"),
        _Way(("declare_queryable", "reply"), "egress", f"/{ASK}"),
    ),
    "answer": (
        _Way(("declare_queryable", "reply"), "ingress", f"/{ASK}"),
        _Way(("query",), "egress", f"/{ASK}"),
    ),
}

_MAY_IDS = ("may-ask", "may-answer")
"""The rules by which everybody may ask what their rights are."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Streams, and the scope they are of; None for any."""

    pattern: str
    scope: str | None


Rights = Mapping[Right, tuple[Grant, ...]]
"""What one device may do."""


def allows(rights: Rights, right: Right, stream: str, scope: str | None = None, *, whole: bool = False) -> bool:
    """Whether something that fits ``stream``, a name or a pattern, is allowed in ``scope`` ("site" or "global").

    With ``whole``, everything that fits must be allowed by one grant.
    """
    fits = _covers if whole else overlap
    return any(
        fits(grant.pattern, stream) and (scope is None or grant.scope in (None, scope))
        for grant in rights.get(right, ())
    )


def _covers(pattern: str, stream: str) -> bool:
    import zenoh

    return zenoh.KeyExpr(key_pattern(pattern, GLOBAL)).includes(key_pattern(stream, GLOBAL))


class Access:
    """The rules of a document.

    Attributes:
        where: the document.
    """

    def __init__(self, spec: AccessSpec, where: str = "") -> None:
        self.where = where
        self._rules = spec.rules

    @classmethod
    def load(cls, path: Path) -> Access:
        """From a file. Raises NotFoundError, InputError and DocumentError."""
        return cls(load_access(path), str(path))

    def rights(self, name: str) -> Rights:
        """What a device may do whose certificate has this name; ``""`` is one without a certificate."""
        fitting = [self._rules[index] for index in self._fitting(name)]
        return {
            right: tuple(Grant(pattern, rule.scope) for rule in fitting for pattern in getattr(rule, right))
            for right in RIGHTS
        }

    def missing(self, name: str, known: Collection[str]) -> bool:
        """Whether Zenoh was not told of a name that rules with a ``*`` fit; see :meth:`form`."""
        return name not in known and name not in self._names and self._fitting(name) != self._fitting("")

    def form(self, site: str, known: Collection[str] = ()) -> dict[str, Any]:
        """Zenoh's ``access_control`` for a router of ``site``: rules, and who has which.

        Zenoh compares whole names: rules with a ``*`` go to those of the ``known`` names that fit. Each name is one
        subject with all that its rules allow; whoever has no rule of his own is among the ``others``.
        """
        groups: dict[tuple[int, ...], list[str]] = {}
        for name in sorted({*self._names, *known}):
            groups.setdefault(self._fitting(name), []).append(name)
        subjects: list[dict[str, Any]] = [
            {"id": f"names-{number}", "cert_common_names": names} for number, names in enumerate(groups.values())
        ]
        subjects.append({"id": "others"})
        ways = [_rules(index, rule, site) for index, rule in enumerate(self._rules)]
        held = [*groups, self._fitting("")]
        policies = [
            {
                "subjects": [subject["id"]],
                "rules": [*_MAY_IDS, *(way["id"] for index in fitting for way in ways[index])],
            }
            for subject, fitting in zip(subjects, held, strict=True)
        ]
        return {
            "enabled": True,
            "default_permission": "deny",
            "rules": [*_may_rules(), *(way for made in ways for way in made)],
            "subjects": subjects,
            "policies": policies,
        }

    @property
    def _names(self) -> set[str]:
        """The names that are written out."""
        return {rule.certificate for rule in self._rules if "*" not in rule.certificate}

    def _fitting(self, name: str) -> tuple[int, ...]:
        """Which rules are for a name. ``""`` has those for everybody."""
        return tuple(i for i, rule in enumerate(self._rules) if _expression(rule.certificate).fullmatch(name))


def _rules(index: int, rule: AccessRule, site: str) -> list[dict[str, Any]]:
    """One rule in Zenoh's form."""
    scopes = {"site": (site,), "global": (GLOBAL,), None: (site, GLOBAL)}[rule.scope]
    made = []
    for right in RIGHTS:
        patterns: tuple[str, ...] = getattr(rule, right)
        for number, way in enumerate(_WAYS[right] if patterns else ()):
            wanted = ("**",) if way.any_stream else patterns
            keys = [key_pattern(pattern, scope) + way.below for scope in scopes for pattern in wanted]
            made.append(_rule(f"{index}-{right}-{number}", way.messages, way.flow, keys))
    return made


def _may_rules() -> list[dict[str, Any]]:
    """Everybody may ask what their rights are."""
    keys = [may_key("*")]
    return [
        _rule(_MAY_IDS[0], ("query",), "ingress", keys),
        _rule(_MAY_IDS[1], ("declare_queryable", "reply"), "egress", keys),
    ]


def _rule(name: str, messages: Sequence[str], flow: str, keys: list[str]) -> dict[str, Any]:
    return {"id": name, "permission": "allow", "messages": messages, "flows": [flow], "key_exprs": keys}


@lru_cache(maxsize=1024)
def _expression(certificate: str) -> re.Pattern[str]:
    """Stars in a row mean what one does. Their groups are atomic, so that no name takes for ever to compare."""
    first, *others = (re.escape(piece) for piece in re.split(r"\*+", certificate))
    if not others:
        return re.compile(first)
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1])
    return re.compile(f"{first}{middle}.*{others[-1]}", re.DOTALL)
