"""Certificates: made once, kept secret, and refused when they are not what they should be."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from weft.core.errors import InputError, NotFoundError, OutputError, UsageError
from weft.stream.identity import Authority, Identity, fingerprint, own_hosts


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("site"))


def written(identity: Identity, path: Path) -> Path:
    identity.write(path)
    return path


def test_what_is_written_is_read(site: Authority, tmp_path: Path) -> None:
    made = site.issue("camera-1", ("camera-1.local", "10.0.0.7"))
    assert Identity.read(written(made, tmp_path / "c.pem")) == made
    certificate = x509.load_pem_x509_certificate(made.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["camera-1", "camera-1.local"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]


def test_an_authority_is_made_once(tmp_path: Path) -> None:
    one = Authority(tmp_path / "a")
    two = Authority(tmp_path / "a")
    assert one.certificate == two.certificate
    assert one.fingerprint == fingerprint(two.issue("x").authority)
    assert Authority(tmp_path / "b").fingerprint != one.fingerprint


def test_many_who_begin_at_once_share_one_authority(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Authority(tmp_path / "a"), range(16)))
    assert len({authority.certificate for authority in made}) == 1
    assert Identity.read(written(made[0].issue("x"), tmp_path / "x.pem")).name == "x"


def test_secrets_are_for_this_user_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        identity = Authority(tmp_path / "a").issue("x")
        (tmp_path / "x.pem").write_text("")
        (tmp_path / "x.pem").chmod(0o666)
        identity.write(tmp_path / "x.pem")
    finally:
        os.umask(before)
    files = [*(tmp_path / "a").iterdir(), tmp_path / "x.pem"]
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_key_shows_nowhere(site: Authority) -> None:
    identity = site.issue("x")
    secret = identity.key.decode().splitlines()[1]
    assert all(secret not in text for text in (repr(identity), str(identity), f"{identity}", repr([identity])))
    assert "PRIVATE" not in repr(identity)


def test_an_expired_certificate_says_when_it_ended(site: Authority, tmp_path: Path) -> None:
    old = site.issue("camera-1", days=-1)
    with pytest.raises(InputError, match="the certificate of 'camera-1' expired on 20"):
        Identity.read(written(old, tmp_path / "x.pem"))


def test_a_swapped_key_is_told_and_not_quoted(site: Authority, tmp_path: Path) -> None:
    swapped = replace(site.issue("x"), key=site.issue("y").key)
    with pytest.raises(InputError, match="the key belongs to another certificate") as told:
        Identity.read(written(swapped, tmp_path / "x.pem"))
    assert swapped.key.decode().splitlines()[1] not in str(told.value)


def test_a_certificate_of_another_authority_is_told(site: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    mixed = replace(site.issue("x"), authority=other.certificate)
    with pytest.raises(InputError, match="not of the authority beside it"):
        Identity.read(written(mixed, tmp_path / "x.pem"))


@pytest.mark.parametrize(
    "blocks",
    [
        (b"",),
        (b"hello\n",),
        (b"\xff\x00" * 99,),
        ("certificate", "key"),
        ("key", "certificate", "authority"),
        ("certificate", "key", "authority", "authority"),
        ("certificate", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", "authority"),
        (b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "key", "authority"),
    ],
)
def test_a_file_that_is_none_is_refused_and_not_quoted(site: Authority, tmp_path: Path, blocks) -> None:
    identity = site.issue("x")
    path = tmp_path / "x.pem"
    path.write_bytes(b"".join(part if isinstance(part, bytes) else getattr(identity, part) for part in blocks))
    with pytest.raises(InputError) as told:
        Identity.read(path)
    assert str(path) in str(told.value)
    assert "c2VjcmV0" not in str(told.value)


def test_files_that_cannot_be_read_are_told(site: Authority, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No such file"):
        Identity.read(tmp_path / "none.pem")
    with pytest.raises(NotFoundError, match="Is a directory"):
        Identity.read(tmp_path)
    with pytest.raises(OutputError, match="No such file"):
        site.issue("x").write(tmp_path / "none" / "x.pem")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no authority can be there"):
        Authority(tmp_path / "file" / "a")


@pytest.mark.parametrize("missing", ["authority.pem", "authority.key"])
def test_half_an_authority_is_never_overwritten(tmp_path: Path, missing: str) -> None:
    Authority(tmp_path)
    (tmp_path / missing).unlink()
    left = next(tmp_path.iterdir())
    before = left.read_bytes()
    with pytest.raises(InputError, match=f"{missing} is missing"):
        Authority(tmp_path)
    assert [left.read_bytes()] == [before]
    assert list(tmp_path.iterdir()) == [left]


def test_a_broken_authority_is_told(tmp_path: Path) -> None:
    Authority(tmp_path)
    (tmp_path / "authority.key").write_bytes(Authority(tmp_path / "b").issue("x").key)
    with pytest.raises(InputError, match="another certificate"):
        Authority(tmp_path)
    (tmp_path / "authority.key").write_bytes(b"no key")
    with pytest.raises(InputError, match="the key cannot be read"):
        Authority(tmp_path)


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\x00b"])
def test_what_is_no_name_is_refused(site: Authority, name: str) -> None:
    with pytest.raises(UsageError, match="no device's name"):
        site.issue(name)


@pytest.mark.parametrize("host", ["", "a b", "ä", "a..b", "-a", "x" * 300, "a/b", "*"])
def test_what_is_no_host_is_refused(site: Authority, host: str) -> None:
    with pytest.raises(UsageError, match="no host's name"):
        site.issue("x", (host,))


def test_a_name_that_is_no_host_still_names_a_device(site: Authority, tmp_path: Path) -> None:
    assert Identity.read(written(site.issue("Kamera Süd 1"), tmp_path / "x.pem")).name == "Kamera Süd 1"


def test_this_machine_knows_names_for_itself(site: Authority) -> None:
    assert {"localhost", "127.0.0.1"} <= set(own_hosts())
    assert len(set(own_hosts())) == len(own_hosts())
