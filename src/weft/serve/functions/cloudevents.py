"""CloudEvents 1.0 over HTTP: requests and answers in binary and in structured mode."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, unquote

import msgspec

from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.serve.answers import Header

Mode = Literal["", "binary", "structured"]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
TYPE = "weft.function.result"
"""The type of what a function emits, unless it says another in the frame's header ``ce-type``."""

_NEEDED = ("id", "source", "type")
_NAME = re.compile(r"[a-z0-9]{1,64}")
_DATA = {"data", "data_base64", "datacontenttype"}
_OWN = {"id", "source", "type", "specversion", "time", *_DATA}
_CURE = "see https://cloudevents.io, version 1.0"


@dataclass(frozen=True, slots=True)
class Event:
    """A request's event: its data as a frame's payload, its attributes as headers ``ce-…``."""

    payload: bytes
    media_type: str
    headers: Mapping[str, str]


def mode_of(headers: Mapping[str, str]) -> Mode:
    """How a request carries an event; empty where it carries none. InputError for a batch."""
    kind = essence(headers.get("content-type", ""))
    if kind.startswith("application/cloudevents-batch"):
        raise InputError("batches of events are not taken", cure=f"send one event at a time, as {STRUCTURED}")
    if kind.startswith("application/cloudevents"):
        if kind != STRUCTURED:
            raise InputError(f"events as {kind[:60]} are not taken", cure=f"send them as {STRUCTURED}")
        return "structured"
    return "binary" if "ce-specversion" in headers else ""


def essence(content_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def binary(headers: Mapping[str, str], body: bytes, media_type: str) -> Event:
    """The event of a request in binary mode. Raises InputError."""
    told = {name: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    _check({name[3:]: value for name, value in told.items()})
    return Event(body, media_type, told)


def structured(body: bytes | memoryview) -> Event:
    """The event of a request in structured mode. Raises InputError."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"the event is no JSON: {error}", cure=_CURE) from error
    if not isinstance(found, dict):
        raise InputError("the event is no JSON object", cure=_CURE)
    _check(found)
    told = {
        f"ce-{name}": _text(name, value) for name, value in found.items() if name not in _DATA and value is not None
    }
    kind = found.get("datacontenttype")
    if kind is not None and not (isinstance(kind, str) and kind.isprintable()):
        raise InputError("the event's datacontenttype is no text", cure=_CURE)
    return Event(_data(found, kind), kind or "application/json", told)


def _check(attributes: Mapping[str, Any]) -> None:
    version = attributes.get("specversion")
    if version != "1.0":
        raise InputError(f"the event's specversion is {str(version)[:20]!r}", cure="send events of version 1.0")
    for name in _NEEDED:
        if not (isinstance(attributes.get(name), str) and attributes[name]):
            raise InputError(f"the event has no {name}", cure=_CURE)


def _text(name: str, value: object) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"the event's attribute {name[:40]!r} cannot be a name", cure="use lower-case letters and digits"
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, str) and value.isprintable()):
        return str(value)
    raise InputError(f"the event's attribute {name!r} is no plain value", cure="use text, whole numbers or booleans")


def _data(event: Mapping[str, Any], kind: str | None) -> bytes:
    if "data_base64" in event:
        if "data" in event:
            raise InputError("the event has both data and data_base64", cure="send one of them")
        try:
            return base64.b64decode(event["data_base64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise InputError("the event's data_base64 is no base64", cure=_CURE) from error
    data = event.get("data")
    if data is None:
        return b""
    if isinstance(data, str) and kind is not None and not _is_json(kind):
        return data.encode()
    return msgspec.json.encode(data)


def _is_json(kind: str) -> bool:
    name = essence(kind)
    return name.endswith(("/json", "+json"))


def attributes(frame: Frame, given: Mapping[str, str], source: str) -> dict[str, str]:
    """The attributes of the event that a frame is answered as; what its function set goes before ours."""
    own = {
        name[3:]: value for name, value in frame.headers.items() if name.startswith("ce-") and given.get(name) != value
    }
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    ours = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": source, "type": TYPE, "time": now}
    if frame.stream:
        ours["subject"] = frame.stream
    kept = {name: value for name, value in own.items() if _NAME.fullmatch(name) and name != "specversion"}
    return {**ours, **kept}


def binary_headers(told: Mapping[str, str]) -> Iterator[Header]:
    """Attributes as headers, percent-encoded where they must be."""
    for name, value in told.items():
        yield f"ce-{name}".encode(), quote(value, safe=" !#$&'()*+,/:;<=>?@[\\]^_`{|}~-.").encode()


def document(frame: Frame, told: Mapping[str, str]) -> dict[str, Any]:
    """A frame as an event in structured mode."""
    made: dict[str, Any] = {**told, "datacontenttype": frame.media_type}
    if _is_json(frame.media_type):
        try:
            return {**made, "data": msgspec.json.decode(frame.payload)}
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            pass  # it goes as it is
    elif frame.media_type.startswith("text/"):
        try:
            return {**made, "data": frame.payload.decode()}
        except UnicodeDecodeError:
            pass
    return {**made, "data_base64": base64.b64encode(frame.payload).decode()}
