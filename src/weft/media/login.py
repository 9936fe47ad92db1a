"""Who asks a server, and whom this machine trusts to be that server."""

from __future__ import annotations

import logging
import os
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from os import PathLike, fspath
from pathlib import Path

from weft.core.errors import NotFoundError, UsageError
from weft.core.files import read_whole
from weft.core.hosts import Target

MAX_SECRET = 64 * 1024
"""Bytes of a file with a password or a token."""

_File = str | PathLike[str] | None


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a password or token is: in a file or an environment variable. It holds none itself."""

    file: Path | None = None
    variable: str | None = None

    def read(self) -> str:
        """What is there now, without the newline at its end.

        Raises NotFoundError where there is none, UsageError where it is empty or not one line of text.
        """
        text = self._file() if self.file is not None else os.environ.get(self.variable or "")
        if text is None:
            raise NotFoundError("the variable is not set", where=self._where, cure="set it before Weft starts")
        text = text.rstrip("\r\n")
        if not text or not text.isprintable():
            raise UsageError("that holds no password or token", where=self._where, cure="write it alone, on one line")
        return text

    @property
    def _where(self) -> str:
        return f"${self.variable}" if self.file is None else str(self.file)

    def _file(self) -> str:
        assert self.file is not None
        try:
            return read_whole(self.file, MAX_SECRET)[:MAX_SECRET].decode()
        except OSError as error:
            cure = "check its name, owner and mode"
            raise NotFoundError(f"cannot be read: {error.strerror}", where=self._where, cure=cure) from error
        except UnicodeDecodeError:
            raise UsageError("that holds no text", where=self._where, cure="write it in UTF-8") from None


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks: nobody in particular, a user with or without a password, or whoever has a token.

    Attributes:
        user: the user's name.
        password: the user's.
        token: a bearer token.
    """

    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe, and what to show.

    Attributes:
        ca: the file with authorities' certificates; None for those of this machine.
        cert: the file with this client's own certificate and its key.
    """

    ca: Path | None = None
    cert: Path | None = field(default=None)

    def context(self) -> ssl.SSLContext:
        """For a client that verifies. Raises NotFoundError and UsageError for files that will not do."""
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except (OSError, ssl.SSLError) as error:
            raise _unfit(error, self.ca, "certificates of authorities") from error
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, password=_no_password)
            except (OSError, ssl.SSLError) as error:
                raise _unfit(error, self.cert, "a certificate and its key, without a password") from error
        return context


def warn_in_clear(login: Login, target: Target, shown: str, log: logging.Logger) -> None:
    """Log that a secret goes over a network where everybody can read it: without TLS, and not within this machine."""
    what = "password" if login.password is not None else "token" if login.token is not None else ""
    if what and target.scheme != "https" and not _is_this_machine(target.host):
        log.warning("%s: the %s goes over the network in the clear (ask over TLS)", shown, what)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def login_of(
    user: str | None, password_file: _File, password_env: str | None, token_file: _File, token_env: str | None
) -> Login:
    """From options. Raises UsageError for those that do not go together."""
    password, token = secret_of(password_file, password_env), secret_of(token_file, token_env)
    if password is not None and user is None:
        raise UsageError("there is a password and no user", cure="say user, too")
    if user is not None and token is not None:
        raise UsageError("there is a user and a token", cure="keep one")
    return Login(user, password, token)


def secret_of(file: _File, variable: str | None) -> Secret | None:
    """From a file's or a variable's name. Raises UsageError for both."""
    if file is not None and variable is not None:
        raise UsageError("there is a file and a variable for one secret", cure="keep one")
    return None if file is None and variable is None else Secret(path_of(file), variable)


def path_of(file: _File) -> Path | None:
    """The path, where there is one."""
    return None if file is None else Path(fspath(file))


def _no_password() -> str:
    """What is asked for a key's password: asking people would stop everything."""
    return ""


def _unfit(error: Exception, file: Path | None, wanted: str) -> NotFoundError | UsageError:
    where = "" if file is None else str(file)
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        return UsageError(f"that holds not {wanted}", where=where, cure="name a PEM file")
    return NotFoundError(f"cannot be read: {error.strerror}", where=where, cure="check its name, owner and mode")
