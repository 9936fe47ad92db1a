"""Who this user is to a registry, as docker, podman and others keep it: ``config.json`` and its helpers."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.core.errors import InputError, UnavailableError, UsageError

REGISTRY, USER, PASSWORD = "WEFT_REGISTRY", "WEFT_REGISTRY_USER", "WEFT_REGISTRY_PASSWORD"
HELPER_S = 20.0
MAX_CONFIG = 4 << 20

_HELPER = re.compile(r"[\w.-]+", re.ASCII)
_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or a token that is exchanged for others. None of them stands in its ``repr``."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """The value of the header ``Authorization``."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_credentials(host: str) -> Credentials | None:
    """What this user has for a registry, or None.

    ``WEFT_REGISTRY`` with ``WEFT_REGISTRY_USER`` and ``WEFT_REGISTRY_PASSWORD`` goes first, then
    ``DOCKER_AUTH_CONFIG``, then the files of docker and podman. Raises InputError, UsageError, UnavailableError.
    """
    if (own := _from_environment(host)) is not None:
        return own
    if text := os.environ.get("DOCKER_AUTH_CONFIG"):
        return _from_config(_read(text, "DOCKER_AUTH_CONFIG"), host, "DOCKER_AUTH_CONFIG")
    for path in _files():
        if path.is_file():
            return _from_config(_read(_text(path), str(path)), host, str(path))
    return None


def _from_environment(host: str) -> Credentials | None:
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    if not user and not password:
        return None
    if not (registry := os.environ.get(REGISTRY)):
        cure = f"set {REGISTRY} to the registry they are for: others must not get them"
        raise UsageError(f"{USER} and {PASSWORD} are set", cure=cure)
    if registry != host:
        return None
    if not user or not password:
        missing = PASSWORD if user else USER
        raise UsageError(f"{missing} is not set", cure=f"set both {USER} and {PASSWORD}")
    return Credentials(user, password)


def _files() -> list[Path]:
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return [Path(named)]
    if folder := os.environ.get("DOCKER_CONFIG"):
        return [Path(folder) / "config.json"]
    found = []
    with suppress(RuntimeError):  # a user without a home has no such file
        found.append(Path.home() / ".docker" / "config.json")
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(runtime) / "containers" / "auth.json")
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CONFIG).decode(errors="replace")
    except OSError as error:
        what = f"the registries' credentials cannot be read: {error.strerror}"
        raise UnavailableError(what, where=str(path), cure="make the file readable, or set DOCKER_CONFIG") from error


def _read(text: str, where: str) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None  # the error would show a part of the text, which holds passwords
    if not isinstance(data, dict):
        raise InputError("it is no JSON object", where=where, cure="mend it, or log in again")
    return data


def _from_config(config: Mapping[str, Any], host: str, where: str) -> Credentials | None:
    names = _names(host)
    helpers = config.get("credHelpers")
    helper = next((helpers[name] for name in names if name in helpers), None) if isinstance(helpers, dict) else None
    if helper is not None:
        return _ask_helper(str(helper), host)
    auths = config.get("auths")
    entry = next((auths[name] for name in names if name in auths), None) if isinstance(auths, dict) else None
    if isinstance(entry, dict) and (found := _from_entry(entry, where)) is not None:
        return found
    store = config.get("credsStore")
    return _ask_helper(store, host) if isinstance(store, str) and store else None


def _names(host: str) -> list[str]:
    """How a registry may be called in the files."""
    names = [
        host,
        f"https://{host}",
        f"https://{host}/",
        f"http://{host}",
        f"https://{host}/v2/",
        f"https://{host}/v1/",
    ]
    return [*names, "https://index.docker.io/v1/", *_HUB] if host in _HUB else names


def _from_entry(entry: Mapping[str, Any], where: str) -> Credentials | None:
    token = entry.get("identitytoken")
    user, password = entry.get("username"), entry.get("password")
    if isinstance(packed := entry.get("auth"), str) and packed:
        try:
            user, _, password = base64.b64decode(packed).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise InputError("an entry of auths is no base64", where=where, cure="log in again") from None
    if isinstance(token, str) and token:
        return Credentials(identity_token=token)
    if isinstance(user, str) and isinstance(password, str) and user:
        return Credentials(user, password.rstrip("\0"))
    return None


def _ask_helper(name: str, host: str) -> Credentials | None:
    """Ask ``docker-credential-NAME``. What it prints is never shown."""
    program = f"docker-credential-{name}"
    cure = "install it, or take it out of docker's config.json"
    if not _HELPER.fullmatch(name):
        raise InputError(f"'{name[:40]}' can be no credential helper", cure=cure)
    asked = "https://index.docker.io/v1/" if host in _HUB else host
    try:
        done = subprocess.run(
            [program, "get"], input=asked.encode(), capture_output=True, timeout=HELPER_S, check=False
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else {}
        user, secret = answer.get("Username"), answer.get("Secret")
    except (OSError, subprocess.TimeoutExpired) as error:
        what = f"the credential helper does not run: {type(error).__name__}"
        raise UnavailableError(what, where=program, cure=cure) from None
    except (ValueError, AttributeError):
        raise InputError("the credential helper's answer is no JSON", where=program, cure=cure) from None
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        return None
    return Credentials(identity_token=secret) if user == "<token>" else Credentials(user, secret)
