"""What sources that ask a server are told: where it is, who asks, and how to try again."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from weft.core.errors import UsageError
from weft.core.servers import broker_address, check_header, web_address
from weft.spec.cameras import CameraRetry
from weft.spec.values import Duration, FilePath, Part, Size, Text, mistake

MAX_HEADERS = 32
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)


def _broker(written: str) -> str:
    try:
        broker_address(written)
    except UsageError as error:
        raise mistake(error.what, error.cure) from None
    return written


def _web(written: str) -> str:
    try:
        web_address(written)
    except UsageError as error:
        raise mistake(error.what, error.cure) from None
    return written


def _variable(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise mistake("is no name of a variable", "write the name, such as BROKER_PASSWORD, and not what it holds")
    return name


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise mistake(f"'{text[:80]}' is no media type", "write it like image/jpeg")
    return text.lower()


def _version(written: object) -> object:
    return str(written) if isinstance(written, int | float) and not isinstance(written, bool) else written


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        try:
            check_header(name, value)
        except UsageError as error:
            raise mistake(error.what, error.cure) from None
    return headers


BrokerUrl = Annotated[Text, AfterValidator(_broker)]
"""``mqtt://`` or ``mqtts://``, a host and a topic."""
WebUrl = Annotated[Text, AfterValidator(_web)]
"""``http://`` or ``https://``, without a user."""
Variable = Annotated[str, AfterValidator(_variable)]
"""The name of an environment variable."""
MediaType = Annotated[str, AfterValidator(_media_type)]
"""A media type without parameters."""
MqttVersion = Annotated[
    Literal["auto", "5", "3.1.1"], BeforeValidator(_version, json_schema_input_type=Literal["auto", "5", "3.1.1"] | int)
]
"""A version of MQTT; 5 may be written as a number."""
Headers = Annotated[dict[str, Text], AfterValidator(_headers)]

_MAX_SIZE = "The largest payload, such as `4MiB`. What is larger is no frame, and counted."
_MEDIA = "What payloads are, such as `image/jpeg`, where nobody says so; by their first bytes if absent."


class Remote(Part):
    """What all servers may be told, or asked for."""

    media_type: MediaType | None = Field(default=None, description=_MEDIA)
    max_size: Size = Field(default=16 * 2**20, le=64 * 2**20, description=_MAX_SIZE)
    user: Text | None = Field(default=None, description="The user's name.")
    password_file: FilePath | None = Field(
        default=None, description="The file that holds the user's password; read anew each time."
    )
    password_env: Variable | None = Field(
        default=None, description="The environment variable that holds the user's password."
    )
    ca: FilePath | None = Field(
        default=None, description="The certificates of the authorities to trust, PEM; this machine's if absent."
    )
    cert: FilePath | None = Field(
        default=None, description="This client's own certificate and its key, one PEM file, where the server wants one."
    )
    retry: CameraRetry = Field(default_factory=CameraRetry, description="How long to wait before it is tried again.")

    @model_validator(mode="after")
    def _one_password(self) -> Remote:
        if self.password_file is not None and self.password_env is not None:
            raise mistake("has `password_file` and `password_env`", "keep one")
        if self.user is None and (self.password_file or self.password_env):
            raise mistake("has a password and no `user`", "add user: and a name")
        return self


class MqttOptions(Remote):
    """Where messages are, and how to take them."""

    url: BrokerUrl = Field(
        description="The broker and the topic, `mqtt://HOST[:PORT]/TOPIC`; `mqtts://` for TLS. In the topic, `+` "
        "stands for one level, `#` at the end for all that follow."
    )
    qos: Literal[0, 1] = Field(
        default=0,
        description="`0`: what is lost on the way is lost. `1`: the broker sends again what was not taken, also after "
        "the connection was lost; a message may then come twice.",
    )
    skip_retained: bool = Field(default=False, description="Leave out what the broker had kept of each topic.")
    client_id: Text | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="A name that no other client of the broker has. With it and `qos: 1`, the broker keeps messages "
        "while the pipeline is stopped, for a day.",
    )
    version: MqttVersion = Field(
        default="auto", description="The version of MQTT; `auto` is 5, and 3.1.1 where the broker knows no other."
    )
    start: Duration = Field(default=10.0, description="How long connecting may take.")
    stall: Duration | None = Field(
        default=None,
        description="After how long without a message the connection counts as dead; never if absent, as then the "
        "broker is asked every 30 seconds whether it is there.",
    )

    @model_validator(mode="after")
    def _fits(self) -> MqttOptions:
        address = broker_address(self.url)
        if not address.tls and (self.ca is not None or self.cert is not None):
            raise mistake("has `ca` or `cert`, which are for mqtts:// alone", "write mqtts://, or leave them out")
        return self


class HttpOptions(Remote):
    """What to ask of a web server, and how often."""

    url: WebUrl = Field(description="What to ask for, `http://…` or `https://…`.")
    every: Duration = Field(default=1.0, description="How long from one request to the next.")
    unchanged: bool = Field(
        default=False, description="Give a frame for every answer; if absent, only where the body is a new one."
    )
    timeout: Duration = Field(default=10.0, description="How long an answer may take, from the request to its end.")
    token_file: FilePath | None = Field(default=None, description="The file that holds a bearer token.")
    token_env: Variable | None = Field(default=None, description="The environment variable that holds a bearer token.")
    headers: Headers = Field(
        default_factory=dict, max_length=MAX_HEADERS, repr=False, description="Headers to send beside Weft's own."
    )

    @model_validator(mode="after")
    def _one_way(self) -> HttpOptions:
        ways = [self.user is not None, self.token_file is not None, self.token_env is not None]
        if sum(ways) > 1:
            raise mistake("says in several ways who asks", "keep one of `user`, `token_file` and `token_env`")
        if web_address(self.url).target.scheme == "http" and (self.ca is not None or self.cert is not None):
            raise mistake("has `ca` or `cert`, which are for https:// alone", "write https://, or leave them out")
        return self
