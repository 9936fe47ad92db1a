"""``wasi:http``: requests of components, made to a real server."""

from __future__ import annotations

import logging
import math
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.component.http_guests import ERRORS, request
from tests.http_server import Server
from tests.wasm.harness import Driven
from weft.core.errors import DeniedError, GuestError, LimitError, TimeLimitError
from weft.core.hosts import parse_host
from weft.core.limits import Grants, Limits
from weft.core.once import Once
from weft.wasm.component import native
from weft.wasm.http import dial
from weft.wasm.http.counters import HttpCounters
from weft.wasm.inspect import inspect
from weft.wasm.trace import HostTrace

Write = Callable[[str], Path]
Ask = Callable[..., bytes]
LONGER_THAN_A_TEST = 30.0


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def function(write: Write, drive: Callable[..., Driven]) -> Callable[..., Driven]:
    """``function(request(…), "host:port", limits=…)`` is a component to which these hosts are granted."""

    def made(text: str, *hosts: str, **options: Any) -> Driven:
        return drive(write(text), grants=Grants(http=tuple(map(parse_host, hosts))), **options)

    return made


@pytest.fixture
def ask(server: Server, function: Callable[..., Driven]) -> Ask:
    """``ask("/path", body=…)`` is what a component printed that made this request to the server, which is granted."""

    def asked(path: str = "/", *, limits: Limits = Limits(), **options: Any) -> bytes:
        local = f"127.0.0.1:{server.port}"
        [printed] = function(request(local, path, **options), local, limits=limits)(b"")
        return printed

    return asked


def error(printed: bytes) -> str:
    """The error code a component printed."""
    assert printed[:1] == b"e", printed
    return ERRORS[printed[1]]


def answer(printed: bytes) -> tuple[int, bytes]:
    """Status and body that a component printed; the body ends with "." where it was whole."""
    assert printed[:1] == b"s", printed
    return int.from_bytes(printed[1:3], "little"), printed[3:]


# --- what works --------------------------------------------------------------------------


def test_a_get_to_a_granted_host(server: Server, ask: Ask) -> None:
    assert answer(ask("/some/where?a=b&c=%20")) == (200, b"got .")
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("GET", "/some/where?a=b&c=%20", b"")
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["x-test"] == "weft"


def test_a_post_with_a_body(server: Server, ask: Ask) -> None:
    assert answer(ask("/in", method="POST", body="one two three")) == (200, b"got one two three.")
    assert server.requests[0][0] == "POST"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods(server: Server, ask: Ask, method: str) -> None:
    assert answer(ask("/in", method=method)) == (200, b"." if method == "HEAD" else b"got .")
    assert server.requests[0][0] == method


@pytest.mark.parametrize("path", ["", "/", "?q=1", "/a//b//", "/%2e%2e/up"])
def test_paths_arrive_as_they_were_written(server: Server, ask: Ask, path: str) -> None:
    assert answer(ask(path)) == (200, b"got .")
    assert server.requests[0][1] == (path if path.startswith("/") else f"/{path}")


def test_a_status_and_an_empty_body(ask: Ask) -> None:
    assert answer(ask("/missing")) == (404, b".")


def test_a_body_of_a_megabyte(ask: Ask) -> None:
    assert answer(ask("/large")) == (200, b"x" * 2**20 + b".")


def test_a_body_without_a_length_ends_where_the_server_ends_it(ask: Ask) -> None:
    assert answer(ask("/unmeasured")) == (200, b"all of it.")


def test_several_requests_at_once(server: Server, ask: Ask) -> None:
    printed = ask("/in", method="POST", body="a", open_at_once=4)
    assert printed == b"s\xc8\x00got a." * 4
    assert len(server.requests) == 4


def test_a_host_by_name(server: Server, function: Callable[..., Driven]) -> None:
    local = f"localhost:{server.port}"
    assert function(request(local), local)(b"") == [b"s\xc8\x00got ."]
    assert server.requests[0][2]["host"] == local


def test_a_redirect_is_for_the_function_to_follow(server: Server, ask: Ask) -> None:
    assert answer(ask("/moved")) == (302, b".")
    assert len(server.requests) == 1


def test_one_instance_makes_requests_frame_after_frame(server: Server, function: Callable[..., Driven]) -> None:
    local = f"127.0.0.1:{server.port}"
    driven = function(request(local, "/in"), local)
    for _ in range(20):
        assert driven(b"") == [b"s\xc8\x00got ."]
    assert driven.handler.http == HttpCounters(http_requests=20, http_received=driven.handler.http.http_received)


# --- what is refused ---------------------------------------------------------------------


def test_without_a_grant_a_component_that_makes_requests_does_not_start(function: Callable[..., Driven]) -> None:
    with pytest.raises(DeniedError, match=r"imports wasi:http/outgoing-handler@0\.2\.0") as refused:
        function(request("example.org"))
    assert "grants: {http: [HOST]}" in refused.value.cure
    assert "--http HOST" in refused.value.cure


@pytest.mark.parametrize(
    ("granted", "asked"),
    [
        ("127.0.0.1:{other}", "127.0.0.1:{port}"),
        ("127.0.0.1", "127.0.0.1:{port}"),
        ("localhost:{port}", "127.0.0.1:{port}"),
        ("*.localhost:{port}", "localhost:{port}"),
        ("127.0.0.1:{port}", "localhost:{port}"),
        ("10.0.0.0/8:{port}", "127.0.0.1:{port}"),
    ],
)
def test_another_host_or_port_is_denied(
    server: Server, function: Callable[..., Driven], caplog: pytest.LogCaptureFixture, granted: str, asked: str
) -> None:
    ports = {"port": server.port, "other": server.port - 1}
    driven = function(request(asked.format(**ports)), granted.format(**ports))
    with caplog.at_level(logging.WARNING, "weft.guest"):
        [printed] = driven(b"")
    assert error(printed) == "HTTP-request-denied"
    assert server.requests == []
    assert driven.handler.http == HttpCounters(http_denied=1)
    assert f"--http {asked.format(**ports)}" in caplog.text


@pytest.mark.parametrize(("waits", "given_back"), [({}, 1), ({"connect": 5.0}, 2)])
def test_a_refused_request_leaves_nothing_in_the_store(
    function: Callable[..., Driven], monkeypatch: pytest.MonkeyPatch, waits: dict[str, float], given_back: int
) -> None:
    done: list[int] = []
    give_back = native.give_back

    def counted(context: int, pointer: int) -> None:
        give_back(context, pointer)
        done.append(pointer)

    monkeypatch.setattr(native, "give_back", counted)
    [printed] = function(request("127.0.0.1:1", **waits), "127.0.0.1:2")(b"")
    assert error(printed) == "HTTP-request-denied"
    assert len(done) == given_back  # the request, and its options


def test_a_name_that_is_at_a_private_address_needs_the_address_granted(
    server: Server, function: Callable[..., Driven], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(  # who owns a name can point it anywhere, which nobody may do with a real one here
        socket, "getaddrinfo", lambda host, *more, **named: resolve("127.0.0.1", *more, **named)
    )
    name = f"rebound.example.org:{server.port}"
    with caplog.at_level(logging.WARNING, "weft.guest"):
        assert error(function(request(name), name)(b"")[0]) == "destination-IP-prohibited"
    assert f"--http 127.0.0.1:{server.port}" in caplog.text
    assert server.requests == []
    both = function(request(name), name, f"127.0.0.1:{server.port}")
    assert answer(both(b"")[0]) == (200, b"got .")
    assert server.requests[0][2]["host"] == name


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"scheme": "ftp"}, "HTTP-protocol-error"),
        ({"method": "CONNECT"}, "HTTP-request-method-invalid"),
    ],
)
def test_what_is_no_request_of_http_is_refused(server: Server, ask: Ask, options: Any, code: str) -> None:
    assert error(ask(**options)) == code
    assert server.requests == []


@pytest.mark.parametrize("authority", ["", "user:secret@127.0.0.1:{port}", "127.1:{port}", "2130706433:{port}"])
def test_what_is_no_plain_host_is_refused(server: Server, function: Callable[..., Driven], authority: str) -> None:
    text = request(authority.format(port=server.port))
    [printed] = function(text, f"127.0.0.1:{server.port}")(b"")
    assert error(printed) == "HTTP-request-URI-invalid"
    assert server.requests == []


def test_too_many_requests_at_once(server: Server, function: Callable[..., Driven]) -> None:
    def told(line: str) -> None:
        if "refused: 16 requests are under way" in line:
            server.release.set()

    local = f"127.0.0.1:{server.port}"
    driven = function(request(local, "/held", open_at_once=17), local, trace=HostTrace(told), limits=Limits(time=60.0))
    [printed] = driven(b"")
    assert error(printed) == "connection-limit-reached"
    assert printed[2:] == b"s\xc8\x00got ." * 16


# --- what goes wrong ---------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_port_where_nobody_listens(function: Callable[..., Driven]) -> None:
    local = f"127.0.0.1:{free_port()}"
    driven = function(request(local), local)
    assert error(driven(b"")[0]) == "connection-refused"
    assert driven.handler.http == HttpCounters(http_failed=1)


def test_a_name_that_nobody_knows(function: Callable[..., Driven]) -> None:
    assert error(function(request("weft.invalid"), "weft.invalid")(b"")[0]) == "DNS-error"


def test_a_server_that_does_not_answer_is_given_up_when_the_guest_says(server: Server, ask: Ask) -> None:
    assert error(ask("/wait", first=0.1)) == "connection-read-timeout"
    assert server.gone.wait(LONGER_THAN_A_TEST)


@pytest.mark.parametrize("path", ["/wait", "/stall"])
@pytest.mark.parametrize("first", [None, 3600.0])
def test_the_functions_time_ends_every_wait(server: Server, ask: Ask, path: str, first: float | None) -> None:
    begin = monotonic()
    with pytest.raises(TimeLimitError):
        ask(path, limits=Limits(time=0.3), first=first)
    assert monotonic() - begin < LONGER_THAN_A_TEST
    assert server.gone.wait(LONGER_THAN_A_TEST)


@pytest.mark.parametrize("path", ["/wait", "/stall"])
def test_a_function_is_stopped_while_it_waits(server: Server, function: Callable[..., Driven], path: str) -> None:
    local = f"127.0.0.1:{server.port}"
    driven = function(request(local, path), local, limits=Limits(time=math.inf))
    stopper = threading.Thread(target=lambda: (server.asked.wait(LONGER_THAN_A_TEST), driven.handler.stop()))
    stopper.start()
    with pytest.raises(GuestError, match="stop"):
        driven(b"")
    stopper.join()
    assert server.gone.wait(LONGER_THAN_A_TEST)


def test_an_answer_without_an_end_is_bounded(server: Server, function: Callable[..., Driven]) -> None:
    local = f"127.0.0.1:{server.port}"
    driven = function(request(local, "/endless"), local, limits=Limits(http=2**20))
    with pytest.raises(LimitError, match=r"received more than 1\.0 MiB over HTTP") as limit:
        driven(b"")
    assert "limits.http" in limit.value.cure
    assert server.gone.wait(LONGER_THAN_A_TEST)
    assert driven.handler.http.http_received < 2 * 2**20


def test_the_next_frame_has_an_allowance_of_its_own(server: Server, function: Callable[..., Driven]) -> None:
    local = f"127.0.0.1:{server.port}"
    driven = function(request(local, "/large"), local, limits=Limits(http=3 * 2**19))
    for _ in range(3):
        assert len(driven(b"")[0]) > 2**20


@pytest.mark.parametrize("path", ["/short", "/reset"])
def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(ask: Ask, path: str) -> None:
    assert answer(ask(path)) == (200, b"some!")


def test_an_answer_that_is_no_http(ask: Ask) -> None:
    assert error(ask("/garbage")) == "HTTP-protocol-error"


# --- TLS ---------------------------------------------------------------------------------


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server whose certificate, for localhost, is signed by itself, which is the only one trusted."""
    certificate = certificate_for("localhost", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    monkeypatch.setattr(dial, "tls", Once(dial.trusting))
    with Server(certificate) as running:
        yield running


def certificate_for(name: str, folder: Path) -> tuple[str, str]:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    pem = certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(secret)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_https_to_a_server_whose_certificate_is_trusted(secured: Server, function: Callable[..., Driven]) -> None:
    local = f"localhost:{secured.port}"
    printed = function(request(local, "/in", scheme="https", method="POST", body="secret"), local)(b"")
    assert printed == [b"s\xc8\x00got secret."]
    assert secured.requests[0][2]["host"] == local


def test_a_certificate_for_another_name_is_refused(secured: Server, function: Callable[..., Driven]) -> None:
    local = f"127.0.0.1:{secured.port}"
    assert error(function(request(local, scheme="https"), local)(b"")[0]) == "TLS-certificate-error"
    assert secured.requests == []


def test_a_certificate_of_nobody_known_is_refused(
    secured: Server, function: Callable[..., Driven], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr(dial, "tls", Once(dial.trusting))
    local = f"localhost:{secured.port}"
    assert error(function(request(local, scheme="https"), local)(b"")[0]) == "TLS-certificate-error"
    assert secured.requests == []


def test_https_to_a_port_of_plain_http(server: Server, function: Callable[..., Driven]) -> None:
    local = f"127.0.0.1:{server.port}"
    assert error(function(request(local, scheme="https"), local)(b"")[0]) == "TLS-protocol-error"


# --- what is told ------------------------------------------------------------------------


def test_requests_stand_in_the_trace_without_what_may_be_secret(server: Server, write: Write, drive: Any) -> None:
    lines: list[str] = []
    local = f"127.0.0.1:{server.port}"
    grants = Grants(http=(parse_host(local),))
    for text in (request(local, "/in?token=secret"), request("example.org")):
        drive(write(text), grants=grants, trace=HostTrace(lines.append))(b"")
    assert [line.rpartition("  ")[0] for line in lines] == [
        f"outgoing-handler.handle(GET http://{local}/in?…) = sent",
        "outgoing-handler.handle(GET http://example.org/) refused: no request to example.org was granted",
    ]


def test_inspect_says_what_may_be_granted(write: Write) -> None:
    assert "requests to hosts: --http HOST" in inspect(write(request("example.org")))["grants"]
