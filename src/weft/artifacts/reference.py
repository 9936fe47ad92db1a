"""References: how an artifact in a registry, a file of Hugging Face or one at a URL is written."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from weft.artifacts.digest import checked_digest
from weft.core.errors import InputError, UsageError

MAX_REFERENCE = 1024

_HOST = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_REVISION = re.compile(r"[\w./-]{1,200}", re.ASCII)
_PART = re.compile(r"[\w.-]+", re.ASCII)
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_EXAMPLE = "write it like oci://registry.example/ml/classify:1.2, or with @sha256:… for one that never changes"
_HF_EXAMPLE = "write it like hf:org/repo/model.onnx or hf:org/repo/model.onnx@revision"


@dataclass(frozen=True, slots=True)
class OciReference:
    """An artifact in a registry.

    Attributes:
        host: the registry, with its port where it has one.
        repository: such as ``ml/classify``.
        tag: empty where only the digest is given.
        digest: of the manifest; empty where only the tag is given.
        file: one of the artifact's files; the main one where it is empty.
    """

    host: str
    repository: str
    tag: str = ""
    digest: str = ""
    file: str = ""

    def __str__(self) -> str:
        return f"{self.name}#{self.file}" if self.file else self.name

    @property
    def name(self) -> str:
        """The artifact's whole name, without the file."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.place}{tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def place(self) -> str:
        """Registry and repository."""
        return f"oci://{self.host}/{self.repository}"

    @property
    def pinned(self) -> bool:
        """Whether it always names the same bytes."""
        return bool(self.digest)

    @property
    def is_local(self) -> bool:
        """Whether the registry runs on this machine: then it may speak plain HTTP."""
        return is_local(self.host)

    def tagged(self, tag: str) -> OciReference:
        """Another tag of the same repository."""
        return replace(self, tag=tag, digest="", file="")


@dataclass(frozen=True, slots=True)
class HubReference:
    """A file of a Hugging Face repository, at a branch, tag or commit."""

    repository: str
    path: str
    revision: str = "main"
    file: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The whole name."""
        return f"hf:{self.repository}/{self.path}@{self.revision}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit."""
        return re.fullmatch(r"[0-9a-f]{40}", self.revision) is not None

    def url(self, revision: str = "") -> str:
        """Where the file is, at this revision or another. ``HF_ENDPOINT`` says where the hub is."""
        base = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        return f"{base}/{self.repository}/resolve/{quote(revision or self.revision, safe='')}/{quote(self.path)}"


@dataclass(frozen=True, slots=True)
class UrlReference:
    """A file at a URL, with the digest of its bytes."""

    url: str
    digest: str
    file: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The URL with its digest, as it was written."""
        return f"{self.url}#sha256={self.digest.partition(':')[2]}"

    @property
    def pinned(self) -> bool:
        """Always."""
        return True


Reference = OciReference | HubReference | UrlReference


def parse_reference(text: str, *, bare: bool = False) -> Reference:
    """The reference in ``oci://…``, ``hf:…`` or ``https://…#sha256=…``; ``bare`` also takes ``host/repo:tag``.

    Raises UsageError.
    """
    if len(text) > MAX_REFERENCE or not text.isprintable():
        raise UsageError("that is no reference", where=text[:80], cure=_EXAMPLE)
    if text.startswith("hf:"):
        return _hub(text)
    if text.startswith(("https://", "http://")):
        return _url(text)
    if text.startswith("oci://") or bare:
        return parse_oci(text)
    raise UsageError("that is no reference", where=text, cure=_EXAMPLE)


def parse_oci(text: str) -> OciReference:
    """The reference to a registry in ``[oci://]host[:port]/repository[:tag][@sha256:…][#file]``. Raises UsageError."""
    rest, _, file = text.removeprefix("oci://").partition("#")
    rest, at, digest = rest.partition("@")
    host, slash, path = rest.partition("/")
    repository, colon, tag = path.partition(":")
    if not slash or not _HOST.fullmatch(host) or not (set(".:") & set(host) or host == "localhost"):
        raise UsageError("it names no registry", where=text, cure=_EXAMPLE)
    if not _REPOSITORY.fullmatch(repository):
        cure = "write small letters, digits and single ._- between them, parts joined by /"
        raise UsageError(f"'{repository}' can be no repository", where=text, cure=cure)
    if colon and not _TAG.fullmatch(tag):
        raise UsageError(f"'{tag}' can be no tag", where=text, cure="write letters, digits and _.-, at most 128")
    if not tag and not at:
        raise UsageError("it has neither a tag nor a digest", where=text, cure=_EXAMPLE)
    return OciReference(host, repository, tag, _digest(digest, text) if at else "", file)


def is_local(host: str) -> bool:
    """Whether a host, perhaps with a port, is this machine by one of its plain names."""
    name, colon, port = host.rpartition(":")
    return host in _LOCAL or (bool(colon) and port.isdecimal() and name in _LOCAL)


def _digest(text: str, where: str) -> str:
    try:
        return checked_digest(text, where)
    except InputError as error:
        raise UsageError(error.what, where=where, cure=error.cure) from None


def _hub(text: str) -> HubReference:
    name, at, revision = text.removeprefix("hf:").rpartition("@")
    if not at:
        name, revision = revision, "main"
    parts = name.split("/")
    sound = len(parts) >= 3 and all(part not in ("", ".", "..") for part in parts)
    if not sound or not all(_PART.fullmatch(part) for part in parts[:2]) or not _REVISION.fullmatch(revision):
        raise UsageError("that is no file of Hugging Face", where=text, cure=_HF_EXAMPLE)
    return HubReference("/".join(parts[:2]), "/".join(parts[2:]), revision)


def _url(text: str) -> UrlReference:
    url, _, fragment = text.partition("#")
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username or parts.password
    except ValueError:
        host, secret = None, None
    if not host:
        raise UsageError("that is no address of a file", where=text, cure="write https://host/file#sha256=…")
    if secret:
        cure = "leave it out: names stand in logs and in lists"
        raise UsageError("a name with a user or password in it is not taken", where=host, cure=cure)
    if not fragment.startswith("sha256="):
        cure = f"add #sha256=…, as its author gives it; else look at the file first: curl -sL {url} | sha256sum"
        raise UsageError("it does not say what the file must be", where=url, cure=cure)
    return UrlReference(url, _digest(f"sha256:{fragment.removeprefix('sha256=').lower()}", text))
