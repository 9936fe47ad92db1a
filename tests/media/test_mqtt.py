"""Messages of a real broker as frames: what they carry, who may have them, and what happens when the broker dies."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import pbkdf2_hmac
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import missing
from tests.media.broker import WAIT_S, Broker, mosquitto, speaking
from tests.media.making import encoded, scene
from weft.core.errors import DeniedError, IdentityError, NotFoundError, UnavailableError, UsageError, WeftError
from weft.core.frame import Frame
from weft.core.servers import broker_address
from weft.media.cameras.retry import Retry
from weft.media.login import Login, Trust
from weft.media.mqtt.connection import Connection, Discarded, Wanted
from weft.media.mqtt.inbox import Gone, Inbox, Message, Said, Taken
from weft.media.sources.mqtt import MqttSource

MakeBroker = Callable[..., Broker]
ONCE = Retry(attempts=0)
SOON = Retry(first=0.05, most=0.1)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CONNACK_5 = b"\x20\x03\x00\x00\x00"


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Starts brokers; they are gone with the test."""
    if mosquitto() is None:
        missing("mosquitto", "make languages, as root on Debian, or apt-get install mosquitto")
    with ExitStack() as stack:

        def make(*settings: str) -> Broker:
            broker = Broker(tmp_path, *(settings or ("allow_anonymous true",)))
            stack.callback(broker.stop)
            return broker.start()

        yield make


@pytest.fixture
def broker(make_broker: MakeBroker) -> Broker:
    return make_broker()


class Reading:
    """A source that is read on a thread of its own.

    Attributes:
        got: the frames so far.
        error: what the source raised.
    """

    def __init__(self, source: MqttSource) -> None:
        self.source = source
        self.got: list[Frame] = []
        self.error: WeftError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, count: int) -> list[Frame]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count or self.error, WAIT_S), self.source
        assert self.error is None
        return self.got

    def be(self, state: str) -> None:
        """Wait until the source is in a state: that the broker has answered does not say that this was heard."""
        deadline = time.monotonic() + WAIT_S
        while self.source.state != state:
            assert self.error is None
            assert time.monotonic() < deadline, self.source

    def end(self) -> None:
        self.source.close()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        try:
            for frame in self.source.frames():
                self._add(frame)
        except WeftError as error:
            self.error = error

    def _add(self, frame: Frame) -> None:
        with self._changed:
            self.got.append(frame)
            self._changed.notify_all()


@pytest.fixture
def read() -> Iterator[Callable[..., Reading]]:
    """Reads sources; they are closed with the test."""
    with ExitStack() as stack:

        def begin(url: str, **options: Any) -> Reading:
            reading = Reading(MqttSource(url, **{"retry": SOON, **options}))
            stack.callback(reading.end)
            return reading

        yield begin


Read = Callable[..., Reading]


def error_of(url: str, **options: Any) -> WeftError:
    with pytest.raises(WeftError) as caught:
        next(MqttSource(url, retry=ONCE, **options).frames())
    return caught.value


# --- what messages become ----------------------------------------------------------------


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_every_message_that_fits_is_a_frame(broker: Broker, read: Read, version: str) -> None:
    reading = read(f"{broker.url}/factory/+/image", version=version)
    broker.hear("Sending SUBACK")
    payload = bytes(range(256))
    with broker.publisher() as publisher:
        publisher.publish("factory/1/image", payload)
        publisher.publish("factory/1/weight", b"5")
        publisher.publish("factory/2/image", b"")
    one, two = reading.wait_for(2)
    assert (one.payload, dict(one.headers), one.sequence) == (payload, {"topic": "factory/1/image"}, 0)
    assert (two.payload, dict(two.headers), two.sequence) == (b"", {"topic": "factory/2/image"}, 1)
    assert one.time_ns <= two.time_ns
    assert one.media_type == "application/octet-stream"
    assert (reading.source.state, reading.source.trouble, reading.source.live) == ("live", "", True)
    assert reading.source.counters["connects"] == 1


def test_the_publisher_knows_best_what_it_is_then_the_options_then_the_bytes(broker: Broker, read: Read) -> None:
    plain = read(f"{broker.url}/#")
    told = read(f"{broker.url}/#", media_type="text/csv")
    broker.hear("Sending SUBACK", 2)
    jpeg = encoded(scene(12, 8), "JPEG")
    with broker.publisher() as publisher:
        publisher.publish("a", jpeg)
        publisher.publish("a", encoded(scene(12, 8), "PNG"))
        publisher.publish("a", b"{}", content_type="Application/JSON; charset=utf-8")
        publisher.publish("a", b"\xff\xd8\xff but no more", content_type="nonsense")
    assert [frame.media_type for frame in plain.wait_for(4)] == [
        "image/jpeg",
        "image/png",
        "application/json",
        "image/jpeg",
    ]
    picture = plain.got[0].picture
    assert picture is not None
    assert (picture.width, picture.height, plain.got[3].picture) == (12, 8, None)
    assert [frame.media_type for frame in told.wait_for(4)] == ["text/csv", "text/csv", "application/json", "text/csv"]


def test_the_trace_of_a_message_goes_on(broker: Broker, read: Read) -> None:
    reading = read(f"{broker.url}/a")
    broker.hear("Sending SUBACK")
    with broker.publisher() as publisher:
        publisher.publish("a", b"1", traceparent=TRACE)
        publisher.publish("a", b"2", traceparent="00-nonsense", other="x")
    one, two = reading.wait_for(2)
    assert str(one.traceparent) == TRACE
    assert "traceparent" not in two.headers


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_a_broker_had_kept_is_marked_or_left_out(broker: Broker, read: Read, version: str) -> None:
    with broker.publisher() as publisher:
        publisher.publish("a", b"old", retain=True)
        both = read(f"{broker.url}/a", version=version)
        fresh = read(f"{broker.url}/a", version=version, skip_retained=True)
        broker.hear("Sending SUBACK", 2)
        publisher.publish("a", b"new")
    assert [(frame.payload, frame.headers.get("retained")) for frame in both.wait_for(2)] == [
        (b"old", "true"),
        (b"new", None),
    ]
    assert [frame.payload for frame in fresh.wait_for(1)] == [b"new"]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_is_too_large_is_no_frame(broker: Broker, read: Read, version: str) -> None:
    reading = read(f"{broker.url}/a", version=version, max_size=1000)
    broker.hear("Sending SUBACK")
    with broker.publisher() as publisher:
        publisher.publish("a", b"x" * 1001)
        publisher.publish("a", b"x" * 10_000_000)
        publisher.publish("a", b"x" * 1000)
    assert [frame.size for frame in reading.wait_for(1)] == [1000]
    # With MQTT 5 the broker is told, and keeps what is far too large to itself.
    assert reading.source.counters["oversized"] == (1 if version == "5" else 2)


def test_a_source_ends_at_its_limit_and_is_read_once(broker: Broker) -> None:
    with broker.publisher() as publisher:
        publisher.publish("a/1", b"1", retain=True)
        publisher.publish("a/2", b"2", retain=True)
    source = MqttSource(f"{broker.url}/a/+", limit=2)
    assert sorted(frame.payload for frame in source.frames()) == [b"1", b"2"]
    assert source.state == "ended"
    with pytest.raises(UsageError, match="read once"):
        next(source.frames())


# --- a broker that dies --------------------------------------------------------------------


def test_a_broker_that_dies_is_come_back_to(broker: Broker, read: Read, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "weft")
    reading = read(f"{broker.url}/a")
    reading.be("live")
    broker.stop()
    broker.start()
    broker.hear("Sending SUBACK")
    with broker.publisher() as publisher:
        publisher.publish("a", b"again")
    (frame,) = reading.wait_for(1)
    assert dict(frame.headers) == {"topic": "a", "reconnects": "1"}
    counters = reading.source.counters
    assert (counters["reconnects"], counters["failures"] >= 1, reading.source.state) == (1, True, "live")
    told = [(record.levelname, record.message) for record in caplog.records if record.name == "weft.media.mqtt"]
    assert [level for level, _ in told] == ["WARNING", "INFO"]
    assert "it is tried again" in told[0][1]
    assert told[1][1].endswith("live again")


def test_while_a_broker_is_away_the_source_says_so(broker: Broker, read: Read) -> None:
    port = broker.port
    broker.stop()
    source = MqttSource(f"mqtt://127.0.0.1:{port}/a", retry=Retry(first=60, most=60))
    reading = Reading(source)
    reading.be("backing off")
    assert "refused" in source.trouble
    reading.end()
    assert source.state == "ended"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_with_a_name_and_qos_1_nothing_is_lost_while_the_source_is_away(
    broker: Broker, read: Read, version: str
) -> None:
    options = {"qos": 1, "client_id": "press", "version": version}
    first = read(f"{broker.url}/a", **options)
    broker.hear("Sending SUBACK")
    first.end()
    broker.hear("Client press disconnected")
    with broker.publisher() as publisher:
        for number in range(100):
            publisher.publish("a", str(number).encode())
    second = read(f"{broker.url}/a", **options)
    assert [int(frame.payload) for frame in second.wait_for(100)] == list(range(100))


def test_a_slow_reader_with_qos_1_holds_the_broker_back_and_loses_nothing(broker: Broker) -> None:
    source = MqttSource(f"{broker.url}/a", qos=1, limit=300)
    frames = source.frames()
    with broker.publisher() as publisher:
        publisher.publish("a", b"0", retain=True)
        first = next(frames)  # from here on, nobody reads until all were published
        for number in range(1, 300):
            publisher.publish("a", str(number).encode())
    assert [int(frame.payload) for frame in (first, *frames)] == list(range(300))
    assert source.counters["dropped"] == 0


def test_silence_is_trouble_where_it_was_said_to_be(broker: Broker, read: Read) -> None:
    reading = read(f"{broker.url}/a", stall=0.05)
    broker.hear("Sending SUBACK", 2)
    assert reading.source.counters["stalls"] >= 1
    assert reading.error is None


def test_a_server_that_never_answers_is_given_up() -> None:
    with speaking([(10_000, b"")]) as port:
        source = MqttSource(f"mqtt://127.0.0.1:{port}/a", start=0.1, retry=ONCE)
        with pytest.raises(UnavailableError, match=r"no answer of the broker came for 100 ms"):
            next(source.frames())
    assert source.counters["stalls"] == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x05\x00", b"\x20\xff\xff\xff\xff\xff"])
def test_what_is_no_broker_is_unavailable(answer: bytes) -> None:
    with speaking([(10, answer), (0, b"")]) as port:
        error = error_of(f"mqtt://127.0.0.1:{port}/a", start=0.5)
    assert isinstance(error, UnavailableError)
    assert error.where == f"mqtt://127.0.0.1:{port}/a"


def test_a_broker_of_3_1_1_alone_is_spoken_to_in_that(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "weft")
    message = b"\x30\x05\x00\x01ahi"
    old = [(10, b"\x20\x02\x00\x00"), (5, b"\x90\x03\x00\x01\x00" + message)]
    with speaking([(10, b"\x20\x02\x00\x01"), (0, b"")], old) as port:
        source = MqttSource(f"mqtt://127.0.0.1:{port}/a", limit=1, retry=ONCE)
        assert [frame.payload for frame in source.frames()] == [b"hi"]
    assert "it is spoken to in 3.1.1" in caplog.text


def test_one_that_was_told_to_speak_5_alone_does_not_fall_back() -> None:
    with speaking([(10, b"\x20\x02\x00\x01"), (0, b"")]) as port:
        assert "another version" in error_of(f"mqtt://127.0.0.1:{port}/a", version="5").what


def test_a_host_that_is_not_there_is_unavailable() -> None:
    error = error_of("mqtt://nobody.invalid/a")
    assert isinstance(error, UnavailableError)
    assert (error.where, bool(error.cure)) == ("mqtt://nobody.invalid/a", True)


def test_closing_ends_a_source_at_once_in_every_state(broker: Broker, read: Read) -> None:
    with speaking([(10_000, b"")]) as port:
        connecting = Reading(MqttSource(f"mqtt://127.0.0.1:{port}/a"))
        connecting.be("connecting")
        connecting.end()
    live = read(f"{broker.url}/a")
    live.be("live")
    live.end()
    assert (connecting.source.state, live.source.state, live.got) == ("ended", "ended", [])


# --- who may -------------------------------------------------------------------------------


@pytest.fixture
def guarded(make_broker: MakeBroker, tmp_path: Path) -> Broker:
    """A broker with one user: press, whose password is "s3cret"."""
    # PBKDF2 with SHA-512, as mosquitto_passwd writes it.
    salt = b"twelve bytes"
    digest = pbkdf2_hmac("sha512", b"s3cret", salt, 101, 64)
    line = f"press:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"
    (tmp_path / "passwords").write_text(line)
    return make_broker("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")


def test_a_user_comes_in_by_a_file_or_a_variable(
    guarded: Broker, tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("PRESS", "s3cret")
    by_file = read(f"{guarded.url}/a", user="press", password_file=tmp_path / "secret")
    by_variable = read(f"{guarded.url}/a", user="press", password_env="PRESS")
    guarded.hear("Sending SUBACK", 2)
    with guarded.publisher("press", "s3cret") as publisher:
        publisher.publish("a", b"1")
    assert by_file.wait_for(1)
    assert by_variable.wait_for(1)
    assert "s3cret" not in repr(by_file.source) + repr(vars(by_file.source)) + repr(vars(by_file.source._feed))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_wrong_password_is_final_and_shown_nowhere(
    guarded: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PRESS", "wr0ng")
    source = MqttSource(f"{guarded.url}/a", user="press", password_env="PRESS", version=version)  # tried for ever
    with pytest.raises(IdentityError, match="the broker rejects the user 'press'") as caught:
        next(source.frames())
    assert "password_file" in caught.value.cure
    assert "wr0ng" not in str(caught.value) + caplog.text
    assert "those who name no user" in error_of(f"{guarded.url}/a", version=version).what


def test_who_was_let_in_once_and_is_rejected_later_tries_again(guarded: Broker, tmp_path: Path, read: Read) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    reading = read(f"{guarded.url}/a", user="press", password_file=secret)
    reading.be("live")
    secret.write_text("wr0ng")
    guarded.stop()
    guarded.start()
    guarded.hear("disconnected, not authorised")
    secret.write_text("s3cret")
    guarded.hear("Sending SUBACK")
    reading.be("live")
    assert reading.error is None


def test_a_topic_that_is_not_given_is_denied() -> None:
    with speaking([(10, CONNACK_5), (5, b"\x90\x04\x00\x01\x00\x87")]) as port:
        source = MqttSource(f"mqtt://127.0.0.1:{port}/a")
        with pytest.raises(DeniedError, match="does not give this topic") as caught:
            next(source.frames())
    assert "Not authorized" in caught.value.what


def test_a_broker_that_grants_a_topic_again_and_again_is_heard_once() -> None:
    granted, message = b"\x90\x04\x00\x01\x00\x00", b"\x30\x06\x00\x01a\x00hi"
    said: SimpleQueue[Said] = SimpleQueue()
    with speaking([(10, CONNACK_5), (5, granted * 3 + message)]) as port:
        address = broker_address(f"mqtt://127.0.0.1:{port}/a")
        wanted = Wanted(address, Login(), Trust(), 0, "me", False, True, 1000, 10.0)
        connection = Connection(wanted, "5", Discarded(), lambda _, one: said.put(one), resumed=False)
        heard = [said.get(timeout=WAIT_S) for _ in range(2)]
        connection.close()
    assert [type(one) for one in heard] == [Taken, Message]


def test_a_secret_that_is_not_there_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRESS", raising=False)
    assert isinstance(error_of("mqtt://127.0.0.1:1/a", user="me", password_env="PRESS"), NotFoundError)
    assert isinstance(error_of("mqtt://127.0.0.1:1/a", user="me", password_file=tmp_path / "no"), NotFoundError)
    (tmp_path / "two").write_text("one\ntwo\n")
    assert isinstance(error_of("mqtt://127.0.0.1:1/a", user="me", password_file=tmp_path / "two"), UsageError)


# --- TLS -----------------------------------------------------------------------------------


def certificate(folder: Path, name: str, issuer: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
    """A certificate for this machine, with its key in NAME.key; NAME.pem has both. Without an issuer, an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.issuer_name(issuer[0].subject if issuer else subject).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    if issuer:
        builder = builder.add_extension(here, critical=False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.crt").write_bytes(made.public_bytes(encoding))
    (folder / f"{name}.key").write_bytes(secret)
    (folder / f"{name}.pem").write_bytes(made.public_bytes(encoding) + secret)
    return made, key


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Any, Any]:
    found = certificate(tmp_path, "ca")
    certificate(tmp_path, "broker", found)
    return found


def tls_settings(folder: Path) -> list[str]:
    files = [f"cafile {folder}/ca.crt", f"certfile {folder}/broker.crt", f"keyfile {folder}/broker.key"]
    return ["allow_anonymous true", "listener PORT 127.0.0.1", *files]


def test_over_tls_the_broker_must_be_who_it_says(
    authority: tuple[Any, Any], make_broker: MakeBroker, tmp_path: Path, read: Read
) -> None:
    broker = make_broker(*tls_settings(tmp_path))
    certificate(tmp_path, "other")
    url = broker.url.replace("mqtt:", "mqtts:")
    read(f"{url}/a", ca=tmp_path / "ca.crt")
    broker.hear("Sending SUBACK")
    # The one who tries for ever ends at once, too: nobody's patience makes a stranger a friend.
    for wrong in ({}, {"ca": tmp_path / "other.crt"}):
        with pytest.raises(IdentityError, match="the broker is not trusted") as caught:
            next(MqttSource(f"{url}/a", **wrong).frames())
        assert "ca" in caught.value.cure
    elsewhere = url.replace("127.0.0.1", "localhost")
    assert isinstance(error_of(f"{elsewhere}/a", ca=tmp_path / "ca.crt"), IdentityError)
    assert isinstance(error_of(f"{broker.url}/a"), UnavailableError)


def test_a_client_shows_its_certificate(
    authority: tuple[Any, Any], make_broker: MakeBroker, tmp_path: Path, read: Read
) -> None:
    broker = make_broker(*tls_settings(tmp_path), "require_certificate true")
    certificate(tmp_path, "press", authority)
    url, ca = broker.url.replace("mqtt:", "mqtts:"), tmp_path / "ca.crt"
    assert isinstance(error_of(f"{url}/a", ca=ca), UnavailableError)
    read(f"{url}/a", ca=ca, cert=tmp_path / "press.pem")
    broker.hear("Sending SUBACK")
    assert isinstance(error_of(f"{url}/a", ca=ca, cert=tmp_path / "press.crt"), UsageError)
    assert isinstance(error_of(f"{url}/a", ca=tmp_path / "none.crt"), NotFoundError)
    assert isinstance(error_of(f"{url}/a", ca=tmp_path / "press.key"), UsageError)


# --- options and the inbox -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("mqtt://me:secret@broker/a", {}),
        ("mqtt://broker/a", {"qos": 2}),
        ("mqtt://broker/a", {"version": "3.1"}),
        ("mqtt://broker/a", {"stall": 0}),
        ("mqtt://broker/a", {"start": -1}),
        ("mqtt://broker/a", {"limit": 0}),
        ("mqtt://broker/a", {"password_env": "SECRET"}),
        ("mqtt://broker/a", {"user": "me", "password_env": "SECRET", "password_file": "secret"}),
        ("mqtt://broker/a", {"retry": {"frist": 1}}),
    ],
)
def test_wrong_options_are_refused(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        MqttSource(url, **options)
    assert caught.value.cure
    assert "me:secret" not in str(caught.value)


def message(payload: bytes, done: Callable[[], object] = lambda: None) -> Message:
    return Message("a", payload, 0, done=done)


def test_an_inbox_drops_the_oldest_and_says_they_were_taken() -> None:
    done: list[int] = []
    inbox = Inbox(max_messages=2, max_bytes=100)
    for number in range(4):
        inbox.put("c", message(bytes([number]), lambda number=number: done.append(number)))  # type: ignore[misc]  # mypy cannot see its kind
    assert (inbox.dropped, done) == (2, [0, 1])
    assert [
        found[1].payload for found in (inbox.next(0), inbox.next(0)) if found and isinstance(found[1], Message)
    ] == [
        b"\x02",
        b"\x03",
    ]
    assert inbox.next(0) is None


def test_an_inbox_is_bounded_in_bytes_but_holds_one_message_of_any_size() -> None:
    inbox = Inbox(max_messages=100, max_bytes=100)
    for size in (60, 60, 500):
        inbox.put("c", message(b"x" * size))
    assert inbox.dropped == 2
    found = inbox.next(0)
    assert found is not None
    assert isinstance(found[1], Message)
    assert len(found[1].payload) == 500


def test_what_came_before_the_end_of_a_connection_is_given_before_it() -> None:
    inbox = Inbox()
    gone = Gone(UnavailableError("it went"))
    inbox.put("c", gone)
    inbox.put("c", message(b"late"))
    assert inbox.next(0) == ("c", message(b"late"))
    assert inbox.next(0) == ("c", gone)
    inbox.close()
    inbox.put("c", gone)
    assert inbox.next(None) is None
