"""How artifacts are brought: over what network, with what patience, told to whom, and checked by whom."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from weft.artifacts.digest import Descriptor
from weft.artifacts.manifest import Manifest

OFFLINE_VARIABLE = "WEFT_OFFLINE"
_NO = ("", "0", "false", "no")

Progress = Callable[[str, int, int], None]
"""Told of a blob's name, how many bytes of it are there, and how many there will be."""


@dataclass(frozen=True, slots=True)
class Attached:
    """What stands beside an artifact under a tag of its own, such as its signature."""

    manifest: Manifest
    blob: Callable[[Descriptor], Awaitable[bytes]]
    """The bytes of one of its blobs, at most 1 MiB. Raises as a pull does."""


class Beside(Protocol):
    """Finds what stands beside an artifact."""

    async def __call__(self, tag: str, *, anew: bool | None = None) -> Attached | None:
        """What stands there under a tag, or None.

        ``anew`` asks the registry even if the store has it, which offline nobody does; False only if it has not; None
        is for a pull True, and for a use False.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """An artifact that is about to be used, for whom it concerns whether it may be.

    Attributes:
        reference: its name as it was asked for, such as ``oci://registry.example/ml/classify:1.2``.
        digest: what that name stands for: of the manifest, or of the index it was chosen from.
        manifest: the manifest itself.
        attached: what stands beside it under a tag, such as ``sha256-<hex>.sig``, from the store or the registry;
            None where there is nothing, and always for files that come from no registry.
    """

    reference: str
    digest: str
    manifest: Manifest
    attached: Beside


Check = Callable[[Subject], Awaitable[None]]
"""Raises DeniedError for an artifact that must not be used. Called before its parts are fetched, and at each use."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long after a network's or server's fault it is tried again: ever longer, and never in step."""

    attempts: int = 4
    first_s: float = 0.5
    most_s: float = 30.0


def node_check() -> Check | None:
    """What this node's policy asks of artifacts; None where it has no policy. Raises as :func:`load_policy`."""
    from weft.artifacts.policy import checks

    return checks()


def offline_asked() -> bool:
    """Whether ``WEFT_OFFLINE`` says that the network is not to be touched."""
    return os.environ.get(OFFLINE_VARIABLE, "").lower() not in _NO


@dataclass(frozen=True, slots=True)
class Settings:
    """How artifacts are brought.

    Attributes:
        offline: never touch the network.
        plain_http: speak HTTP without TLS also to registries elsewhere.
        retry: what is done about faults.
        parallel: blobs that are moved at a time.
        patience_s: seconds without a byte until a server counts as gone.
        chunk: bytes of one piece of an upload; what is no larger goes in one.
        progress: told how far it is.
        check: may refuse an artifact; by default this node's policy does.
    """

    offline: bool = field(default_factory=offline_asked)
    plain_http: bool = False
    retry: Retry = Retry()
    parallel: int = 4
    patience_s: float = 30.0
    chunk: int = 64 << 20
    progress: Progress | None = None
    check: Check | None = field(default_factory=node_check)

    def tell(self, name: str, done: int, total: int) -> None:
        """Tell how far a blob is."""
        if self.progress is not None:
            self.progress(name, done, total)
