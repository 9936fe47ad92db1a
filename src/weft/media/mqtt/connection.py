"""One connection to a broker, on a thread of its own. It is not made again here: that is its owner's to decide."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from weft.core.clock import now_ns
from weft.core.errors import DeniedError, IdentityError, UnavailableError, WeftError
from weft.core.servers import BrokerAddress
from weft.core.text import visible
from weft.core.traceparent import HEADER, parse
from weft.media.login import Login, Trust
from weft.media.mqtt.inbox import Gone, Message, Said, Taken
from weft.media.payloads import essence

KEEPALIVE_S = 30
"""How often a broker that says nothing is asked whether it is there; after half as long again it counts as dead."""

TURN_S = 1.0
"""Seconds between looks at how long ago the broker said something."""

FAREWELL_S = 1.0
"""Seconds a connection has to end by itself."""

SESSION_S = 3600
NAMED_SESSION_S = 86_400
"""Seconds a broker keeps messages of ``qos`` 1 for a client that is away; longer for one with a name of its own."""

UNACKNOWLEDGED = 64
"""How many messages a broker may send before the first of them was taken."""

MAX_PACKET = 128 * 1024
"""Bytes of what a packet has beside the payload: topic and properties."""

_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_WRONG_VERSION = {1, 132}
_WHO = {134, 135, 140}
_MAY_NOT = {133, 138}
_properties: Any = Properties  # paho does not say what it takes
_log = logging.getLogger("weft.media.mqtt")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all connections of one source have in common.

    Attributes:
        address: the broker and the topic.
        login: who asks.
        trust: whom to believe, over TLS.
        qos: 0 or 1.
        client_id: the client's name.
        named: the name was given to keep; messages wait for it while it is away.
        retained: whether messages that the broker kept are wanted.
        max_size: bytes of a payload.
        patience_s: how long connecting may take, seconds.
    """

    address: BrokerAddress
    login: Login
    trust: Trust
    qos: int
    client_id: str
    named: bool
    retained: bool
    max_size: int
    patience_s: float


@dataclass(slots=True)
class Discarded:
    """Messages that were none: over the limit, and with a topic that is no text."""

    oversized: int = 0
    damaged: int = 0


class _Socket(ssl.SSLSocket):
    """Closed where nobody agrees on TLS: paho forgets it then."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


@dataclass(frozen=True, slots=True)
class WrongVersion(Gone):
    """The broker does not speak this version."""

    trouble: WeftError = field(default_factory=lambda: UnavailableError("the broker speaks another version of MQTT"))


class Connection:
    """Begins at once, and says how it goes by ``say``, on its own thread; the last word is :class:`Gone`."""

    def __init__(
        self,
        wanted: Wanted,
        version: str,
        discarded: Discarded,
        say: Callable[[object, Said], None],
        *,
        resumed: bool,
    ) -> None:
        self._wanted = wanted
        self._discarded = discarded
        self._say = partial(say, self)
        self._new_protocol = version == "5"
        self._resumed = resumed
        self._last: Gone | None = None
        self._leaving = self._taken = False
        self._client = self._made(version)
        self._thread = threading.Thread(target=self._run, name="weft:mqtt", daemon=True)
        self._thread.start()

    def abort(self) -> None:
        """Cut it. The thread ends as soon as it is out of what it hangs in."""
        with suppress(OSError, AttributeError):  # it may be closed at the same time
            found: Any = self._client.socket()  # which paho calls something narrower
            if found is not None:
                found.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take leave of the broker, or cut it where that takes longer than ``FAREWELL_S``."""
        self._leaving = True
        properties = None
        if self._new_protocol and not self._wanted.named:
            properties = _properties(PacketTypes.DISCONNECT)
            properties.SessionExpiryInterval = 0  # nobody of this name comes back
        with suppress(OSError, ValueError):
            self._client.disconnect(properties=properties)
        self._thread.join(FAREWELL_S)
        self.abort()

    # --- its thread ----------------------------------------------------------------------

    def _run(self) -> None:
        where, target = self._wanted.address.shown, self._wanted.address.target
        try:
            self._prepare()
            self._client.connect(target.host, target.port, KEEPALIVE_S, properties=self._asked(), **self._clean())
            if self._leaving:
                self._client.disconnect()
            code = self._listen()
            last = self._last or Gone(_cut(code))
        except ssl.SSLError as error:
            last = _mistrust(error)
        except OSError as error:
            what = f"no connection: {error.strerror or error}"
            last = Gone(UnavailableError(what, cure="check the address, the network, and that the broker runs"))
        except WeftError as error:
            last = Gone(error, final=True)
        except Exception as error:  # noqa: BLE001 - paho raises what it likes on what a broker sends
            _log.debug("%s: %r", where, error)
            last = Gone(UnavailableError(f"the broker said what makes no sense: {type(error).__name__}"))
        last.trouble.at(where)
        self._let_go()
        self._say(last)

    def _listen(self) -> MQTTErrorCode:
        """Hear the broker until the connection is no more; why it is none."""
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and self._client.socket() is not None:
            code = self._client.loop(TURN_S)
        return code

    def _let_go(self) -> None:
        """Break the circle with the client, whose sockets go with it."""
        self._client.on_connect = self._client.on_subscribe = None
        self._client.on_message = self._client.on_disconnect = None

    def _made(self, version: str) -> mqtt.Client:
        # Without MQTT 5 only a name that is kept has a session that outlives the connection: nobody would end it.
        clean = None if self._new_protocol else not (self._wanted.named and self._wanted.qos)
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            self._wanted.client_id,
            clean_session=clean,
            protocol=_VERSIONS[version],
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = self._wanted.patience_s
        client.on_socket_register_write = _leave_to_loop
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _prepare(self) -> None:
        login = self._wanted.login
        if login.user is not None:
            self._client.username_pw_set(login.user, None if login.password is None else login.password.read())
        if self._wanted.address.tls:
            context = self._wanted.trust.context()
            context.sslsocket_class = _Socket
            self._client.tls_set_context(context)

    def _clean(self) -> dict[str, Any]:
        kept = self._resumed or self._wanted.named
        return {"clean_start": not (kept and self._wanted.qos)} if self._new_protocol else {}

    def _asked(self) -> Properties | None:
        if not self._new_protocol:
            return None
        properties: Properties = _properties(PacketTypes.CONNECT)
        properties.MaximumPacketSize = self._wanted.max_size + MAX_PACKET
        properties.ReceiveMaximum = UNACKNOWLEDGED
        if self._wanted.qos:
            properties.SessionExpiryInterval = NAMED_SESSION_S if self._wanted.named else SESSION_S
        return properties

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            self._last = self._refused(code)
            return
        topic, qos = self._wanted.address.topic, self._wanted.qos
        if self._new_protocol:
            again = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB if qos else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            handling = again if self._wanted.retained else SubscribeOptions.RETAIN_DO_NOT_SEND
            client.subscribe(topic, options=SubscribeOptions(qos, retainHandling=handling))
        else:
            client.subscribe(topic, qos)

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            told = visible(str(codes[0]))
            what = (
                f"the broker does not give this topic to '{self._wanted.login.user or 'nobody in particular'}': {told}"
            )
            self._last = Gone(DeniedError(what, cure="have it allowed there, or name another topic"), final=True)
            client.disconnect()
        elif not self._taken:  # once, however often a broker says so: what is said is not bounded
            self._taken = True
            self._say(Taken())

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        done = partial(_acknowledge, client, message.mid, message.qos)
        found = self._read(message, done)
        if found is None:
            done()
        else:
            self._say(found)

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, flags: Any, code: ReasonCode, _properties: Any) -> None:
        if self._last is None and flags.is_disconnect_packet_from_server:
            what = f"the broker ended the connection: {visible(str(code))}"
            self._last = Gone(UnavailableError(what, cure="look into its log; another client may have the same name"))

    def _read(self, message: mqtt.MQTTMessage, done: Callable[[], object]) -> Message | None:
        """The message; None for one that is not wanted, or is none."""
        if message.retain and not self._wanted.retained:
            return None
        if len(message.payload) > self._wanted.max_size:
            self._discarded.oversized += 1
            return None
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._discarded.damaged += 1
            return None
        told = message.properties
        users = dict(getattr(told, "UserProperty", ()))
        trace = users.get(HEADER, "")
        return Message(
            topic,
            bytes(message.payload),
            now_ns(),
            message.retain,
            essence(getattr(told, "ContentType", "")),
            trace if parse(trace) else "",
            done,
        )

    def _refused(self, code: ReasonCode) -> Gone:
        if code.value in _WRONG_VERSION:
            return WrongVersion()
        told = visible(str(code))
        if code.value in _WHO:  # brokers say "not authorized" for a wrong password, too
            user = self._wanted.login.user
            who = "those who name no user" if user is None else f"the user '{user}'"
            cure = "check user, password_file or password_env"
            return Gone(IdentityError(f"the broker rejects {who}: {told}", cure=cure), final=True)
        if code.value in _MAY_NOT:
            cure = "choose another client_id, or have it allowed there"
            return Gone(DeniedError(f"the broker rejects this client: {told}", cure=cure), final=True)
        return Gone(UnavailableError(f"the broker takes no connection: {told}", cure="look into its log"))


def _leave_to_loop(_client: mqtt.Client, _data: Any, _socket: Any) -> None:
    """Where there is this, paho writes on the thread that listens alone, and not on the one that wants to write."""


def _acknowledge(client: mqtt.Client, number: int, qos: int) -> None:
    with suppress(OSError, ValueError):  # the connection it came by is gone: the broker sends it again
        client.ack(number, qos)


def _cut(code: MQTTErrorCode) -> UnavailableError:
    cure = "check the network and the broker; mqtts:// where it wants TLS"
    return UnavailableError(f"the connection was cut: {mqtt.error_string(code).rstrip('.').lower()}", cure=cure)


def _mistrust(error: ssl.SSLError) -> Gone:
    if isinstance(error, ssl.SSLCertVerificationError):
        cure = "name its authority's certificate as ca; the address must be the one in the broker's certificate"
        return Gone(IdentityError(f"the broker is not trusted: {error.verify_message}", cure=cure), final=True)
    what = f"no TLS with the broker: {error.reason or error}"
    return Gone(UnavailableError(what, cure="check the port, and cert where the broker wants a certificate"))
