"""How a registry is told who asks: basic, or a token that another server gives for a scope."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from weft.artifacts.credentials import Credentials, find_credentials
from weft.artifacts.http import Call, Http
from weft.artifacts.manifest import read_json
from weft.artifacts.reference import is_local
from weft.core.clock import monotonic
from weft.core.errors import DeniedError, InputError

SPARE_S = 10.0
"""Seconds before its end that a token is not used any more."""
TOKEN_S = 60.0
"""Seconds that a token lasts whose server does not say."""

_CHALLENGE = re.compile(r"(?:^|,)\s*(Bearer|Basic)\b", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"|(\w+)=([^\s,"]+)')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants: ``bearer`` with where the token comes from, or ``basic``."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenge(header: str) -> Challenge | None:
    """The challenge in ``WWW-Authenticate``; bearer before basic; None where there is none that Weft knows."""
    starts = list(_CHALLENGE.finditer(header))
    found = {}
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(header)
        pairs = [
            (match[1] or match[3], match[2] if match[1] else match[4])
            for match in _PARAMETER.finditer(header, start.end(), end)
        ]
        values = {key.lower(): value.replace('\\"', '"') for key, value in pairs}
        wanted = {key: values.get(key, "") for key in ("realm", "service", "scope")}
        found[start[1].lower()] = Challenge(start[1].lower(), **wanted)
    return found.get("bearer") or found.get("basic")


class Authorizer:
    """The authorisation for one registry. Tokens are kept for as long as they last; nothing of it is ever shown."""

    def __init__(self, http: Http, host: str) -> None:
        self._http, self._host = http, host
        self._asked = False
        self._credentials: Credentials | None = None
        self._basic = ""
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = asyncio.Lock()

    def known(self, scope: str) -> str:
        """The header's value for a scope, as far as it is known; empty before the registry has asked."""
        token, until = self._tokens.get(scope, ("", 0.0))
        return token if token and monotonic() < until else self._basic

    async def answer(self, header: str, scope: str, used: str) -> str:
        """The header's value that answers a challenge, after ``used`` was refused.

        Raises DeniedError where this user has nothing (more) to show, and as the credentials do.
        """
        challenge = parse_challenge(header)
        async with self._lock:
            if (now := self.known(scope)) and now != used:
                return now  # somebody else asked meanwhile
            credentials = await self._own()
            if challenge is None:
                cure = "Weft speaks Basic and Bearer; ask who runs the registry"
                raise DeniedError(
                    "the registry asks for an authorisation Weft does not know", where=self._host, cure=cure
                )
            if challenge.scheme == "basic":
                if credentials is None or not credentials.user or used:
                    raise self.refused(known=credentials is not None)
                self._basic = credentials.basic()
                return self._basic
            self._tokens[scope] = await self._token(challenge, scope, credentials)
            return self._tokens[scope][0]

    def refused(self, *, known: bool | None = None) -> DeniedError:
        """The error for who may not."""
        known = self._credentials is not None if known is None else known
        if known:
            what = "the registry does not let this user do that"
            cure = "check the user's rights and password"
        else:
            what = "the registry does not let strangers do that"
            cure = "docker login, or set WEFT_REGISTRY, WEFT_REGISTRY_USER and WEFT_REGISTRY_PASSWORD"
        return DeniedError(what, where=self._host, cure=cure)

    async def _own(self) -> Credentials | None:
        if not self._asked:
            self._credentials = await asyncio.to_thread(find_credentials, self._host)
            self._asked = True
        return self._credentials

    async def _token(self, challenge: Challenge, scope: str, credentials: Credentials | None) -> tuple[str, float]:
        """A token and until when it is good, from where the challenge says."""
        parts = urlsplit(challenge.realm)
        if parts.scheme not in ("http", "https") or parts.username:
            what = "the registry names no address for its tokens"
            raise InputError(what, where=self._host, cure="tell who runs it")
        if parts.scheme == "http" and not is_local(self._host) and credentials is not None:
            # Also with --plain-http: it was said of the registry, and the password would go elsewhere.
            what = "it wants the password in the clear"
            raise DeniedError(what, where=challenge.realm, cure="tell who runs the registry: tokens go over https")
        if is_local(parts.netloc) and not is_local(self._host):
            what = "it has its tokens fetched from this machine, which only a registry here may"
            raise DeniedError(what, where=challenge.realm, cure="do not use this registry")
        call = _token_call(challenge, challenge.scope or scope, credentials)
        response, body = await self._http.read(call)
        if response.status_code in (400, 401, 403):
            raise self.refused()
        if response.status_code != 200:
            what = f"the token server answered {response.status_code}"
            raise DeniedError(what, where=call.shown, cure="check the credentials, or try again later")
        data = read_json(body, call.shown)
        token = data.get("token") or data.get("access_token")
        if not isinstance(token, str) or not token.isprintable() or not token.isascii():
            raise InputError("the token server gave no token", where=call.shown, cure="tell who runs the registry")
        lasts = data.get("expires_in")
        seconds = float(lasts) if isinstance(lasts, int | float) and not isinstance(lasts, bool) else TOKEN_S
        return f"Bearer {token}", monotonic() + max(0.0, seconds - SPARE_S)


def _token_call(challenge: Challenge, scope: str, credentials: Credentials | None) -> Call:
    asked = {"service": challenge.service, "scope": scope}
    wanted = {key: value for key, value in asked.items() if value}
    if credentials is not None and credentials.identity_token:
        form = {
            **wanted,
            "grant_type": "refresh_token",
            "client_id": "weft",
            "refresh_token": credentials.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        return Call("POST", challenge.realm, headers, lambda: body, also=(400, 401, 403, 404))
    joint = "&" if "?" in challenge.realm else "?"
    basic = credentials.basic() if credentials is not None else ""
    return Call("GET", f"{challenge.realm}{joint}{urlencode(wanted)}", authorization=basic, also=(401, 403, 404))
