"""Which certificate a process shows, and joining with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.core.errors import DeniedError, NotFoundError, UnavailableError, UsageError
from weft.stream import credentials
from weft.stream.identity import Authority
from weft.stream.joining import Joining, LinkNews
from weft.stream.routing import with_port
from weft.stream.zenoh.session import Status


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv(credentials.VARIABLE, raising=False)
    return tmp_path / "config" / "site"


def test_who_has_nothing_is_told_how_to_begin(settings: Path) -> None:
    with pytest.raises(DeniedError, match="no certificate") as raised:
        credentials.identity()
    assert "weft router" in raised.value.cure
    assert "weft cert NAME" in raised.value.cure
    assert not settings.exists()


def test_where_the_authority_is_a_user_gets_a_certificate_and_keeps_it(settings: Path) -> None:
    authority = credentials.authority()
    first, second = credentials.identity(), credentials.identity()
    assert first.certificate == second.certificate
    assert first.authority == authority.certificate
    assert (settings / "identity.pem").stat().st_mode & 0o077 == 0


def test_one_that_expired_or_is_of_another_authority_is_made_again(settings: Path, tmp_path: Path) -> None:
    authority = credentials.authority()
    for other in (authority.issue("me", days=-1), Authority(tmp_path / "other").issue("me")):
        other.write(settings / "identity.pem")
        found = credentials.identity()
        assert found.certificate != other.certificate
        assert found.authority == authority.certificate


def test_a_named_certificate_goes_first(settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = credentials.authority()
    for name in ("option", "variable"):
        authority.issue(name).write(tmp_path / f"{name}.pem")
    monkeypatch.setenv(credentials.VARIABLE, str(tmp_path / "variable.pem"))
    assert credentials.identity().name == "variable"
    assert credentials.identity(tmp_path / "option.pem").name == "option"
    with pytest.raises(NotFoundError):
        credentials.identity(tmp_path / "none.pem")


def test_elsewhere_the_file_in_the_settings_is_shown(settings: Path, tmp_path: Path) -> None:
    settings.mkdir(parents=True)
    Authority(tmp_path / "far").issue("camera-1").write(settings / "identity.pem")
    assert credentials.identity().name == "camera-1"


def test_only_what_is_encrypted_needs_a_certificate(settings: Path) -> None:
    assert Joining(("tcp/127.0.0.1:1",)).link().identity is None
    with pytest.raises(DeniedError):
        Joining(("edge",)).link()
    with pytest.raises(UsageError, match="no site to join"):
        Joining().link()


def test_links_that_come_and_go_are_told_once() -> None:
    told: list[str] = []
    news = LinkNews(told.append)
    for links in ((), ("router",), ("router",), (), (), ("router", "other")):
        news.look(Status(links, ""))
    assert told == ["joined: router", "the link to the site is lost; trying to join it again", "joined: router, other"]


@pytest.mark.parametrize("endpoint", ["quic/127.0.0.1:0", "tcp/127.0.0.1:0", "quic/0.0.0.0:0"])
def test_port_0_becomes_a_free_one(endpoint: str) -> None:
    found = with_port(endpoint)
    assert found.rpartition(":")[0] == endpoint.rpartition(":")[0]
    assert int(found.rpartition(":")[2]) > 0
    assert with_port("quic/edge:7447") == "quic/edge:7447"


def test_an_address_that_is_not_here_is_told() -> None:
    with pytest.raises(UnavailableError, match="cannot listen"):
        with_port("quic/192.0.2.1:0")
