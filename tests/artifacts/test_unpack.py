"""Archives from strangers."""

from __future__ import annotations

import gzip
import importlib.util
import io
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import missing
from weft.artifacts.kinds import Packing
from weft.artifacts.unpack import Bounds, unpack
from weft.core.errors import InputError, NotFoundError, UnavailableError


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return path


def file(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def test_files_and_folders_come_out(tmp_path: Path) -> None:
    folder = special("net", tarfile.DIRTYPE)
    archive = packed(tmp_path / "a.tar", folder, file("net/a.onnx", b"a"), file("./net/deep/b.txt", b"b"))
    unpack(archive, "tar", tmp_path / "out", "here")
    assert (tmp_path / "out/net/a.onnx").read_bytes() == b"a"
    assert (tmp_path / "out/net/deep/b.txt").read_bytes() == b"b"


def test_gzip_comes_out(tmp_path: Path) -> None:
    plain = packed(tmp_path / "a.tar", file("a", b"a" * 10_000))
    (tmp_path / "a.tgz").write_bytes(gzip.compress(plain.read_bytes()))
    unpack(tmp_path / "a.tgz", "tar+gzip", tmp_path / "out", "here")
    assert (tmp_path / "out/a").read_bytes() == b"a" * 10_000


def zstd(path: Path, *words: str) -> Path:
    """A file packed by the zstd program."""
    program = shutil.which("zstd")
    if program is None:
        missing("zstd", "apt-get install zstd")
    target = path.with_suffix(path.suffix + ".zst")
    subprocess.run([str(program), "-q", "-f", *words, str(path), "-o", str(target)], check=True)
    return target


@pytest.fixture
def _unzstd() -> None:
    if not any(importlib.util.find_spec(name) for name in ("zstandard", "compression")):
        missing("zstandard", "pip install zstandard")


def test_zstd_comes_out_or_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zstd(packed(tmp_path / "a.tar", file("a", b"a" * 10_000)))
    for name in ("compression.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    with pytest.raises(UnavailableError, match="zstd") as told:
        unpack(archive, "tar+zstd", tmp_path / "out", "here")
    assert "pip install zstandard" in told.value.cure
    monkeypatch.undo()
    if any(importlib.util.find_spec(name) for name in ("zstandard", "compression")):
        unpack(archive, "tar+zstd", tmp_path / "out", "here")
        assert (tmp_path / "out/a").read_bytes() == b"a" * 10_000


@pytest.mark.usefixtures("_unzstd")
def test_zstd_of_several_frames_comes_out_whole(tmp_path: Path) -> None:
    plain = packed(tmp_path / "a.tar", file("a", b"a" * 10_000)).read_bytes()
    for number, piece in enumerate((plain[:5000], plain[5000:])):
        (tmp_path / str(number)).write_bytes(piece)
    frames = [zstd(tmp_path / str(number)).read_bytes() for number in range(2)]
    (tmp_path / "a.tar.zst").write_bytes(b"".join(frames))
    unpack(tmp_path / "a.tar.zst", "tar+zstd", tmp_path / "out", "here")
    assert (tmp_path / "out/a").read_bytes() == b"a" * 10_000


@pytest.mark.parametrize(
    "member",
    [
        file("../outside"),
        file("/tmp/outside"),
        file("a/../../outside"),
        file("a\\b"),
        file("a\x1b[2Jb"),
        file("x" * 300),
        special("link", tarfile.SYMTYPE, "/etc"),
        special("hard", tarfile.LNKTYPE, "/etc/passwd"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: repr(member[0].name[:20]),
)
def test_what_would_lead_elsewhere_is_refused(tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]) -> None:
    archive = packed(tmp_path / "a.tar", member)
    with pytest.raises(InputError) as told:
        unpack(archive, "tar", tmp_path / "out", "here")
    assert told.value.cure
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="twice"):
        unpack(packed(tmp_path / "a.tar", file("a"), file("a")), "tar", tmp_path / "out", "here")
    with pytest.raises(InputError, match="twice"):
        unpack(packed(tmp_path / "b.tar", file("b"), file("b/c")), "tar", tmp_path / "out", "here")
    with pytest.raises(InputError, match="twice"):
        unpack(packed(tmp_path / "c.tar", file("d"), special("d", tarfile.DIRTYPE)), "tar", tmp_path / "out", "here")


def test_a_bomb_stops_at_its_bound(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.tgz", "wb", compresslevel=1) as stream:
        member = tarfile.TarInfo("zeros")
        member.size = 64 << 20
        stream.write(member.tobuf())
        for _ in range(64):
            stream.write(bytes(1 << 20))
    bounds = Bounds(small=1 << 20, ratio=2)
    with pytest.raises(InputError, match="more comes out"):
        unpack(tmp_path / "bomb.tgz", "tar+gzip", tmp_path / "out", "here", bounds)
    assert not (tmp_path / "out" / "zeros").exists()


def header(change: Callable[[tarfile.TarInfo], None]) -> bytes:
    member = tarfile.TarInfo("x")
    change(member)
    return member.tobuf(format=tarfile.GNU_FORMAT)


def sparse(name: str, size: int) -> tuple[tarfile.TarInfo, bytes]:
    """A file of nothing but a hole, of the size that its second header says."""
    member = tarfile.TarInfo(name)
    member.pax_headers = {"GNU.sparse.realsize": str(size), "GNU.sparse.map": "0,0"}
    return member, b""


def test_holes_are_no_way_around_the_bound(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.tar", sparse("less", -(1 << 40)), sparse("more", 8 << 20))
    with pytest.raises(InputError, match="sparse"):
        unpack(archive, "tar", tmp_path / "out", "here", Bounds(small=1 << 20, size=1 << 20))
    assert not list((tmp_path / "out").glob("*"))


def test_headers_without_end_are_told(tmp_path: Path) -> None:
    def empty(member: tarfile.TarInfo) -> None:
        member.type = tarfile.GNUTYPE_LONGNAME

    (tmp_path / "a.tar").write_bytes(header(empty) * 5000 + bytes(1024))
    with pytest.raises(InputError, match="damaged"):
        unpack(tmp_path / "a.tar", "tar", tmp_path / "out", "here")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_name_of_a_gigabyte_is_not_held_in_memory(tmp_path: Path, kind: bytes) -> None:
    def long(member: tarfile.TarInfo) -> None:
        member.type, member.size = kind, 1 << 30

    (tmp_path / "a.tar").write_bytes(header(long) + b"a" * 4096)
    with pytest.raises(InputError, match="damaged"):
        unpack(tmp_path / "a.tar", "tar", tmp_path / "out", "here")


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.tar", *(file(str(number)) for number in range(20)))
    with pytest.raises(InputError, match="more than 10 files"):
        unpack(archive, "tar", tmp_path / "out", "here", Bounds(files=10))


def zstd_of_zeros(tmp_path: Path) -> tuple[Path, Packing]:
    member = tarfile.TarInfo("zeros")
    member.size = 64 << 20
    with (tmp_path / "bomb.tar").open("wb") as out:
        out.write(member.tobuf())
        out.truncate(512 + member.size + 1024)
    return zstd(tmp_path / "bomb.tar"), "tar+zstd"


@pytest.mark.usefixtures("_unzstd")
def test_a_bomb_of_zstd_stops_at_its_bound(tmp_path: Path) -> None:
    bomb, packing = zstd_of_zeros(tmp_path)
    with pytest.raises(InputError, match="more comes out"):
        unpack(bomb, packing, tmp_path / "out", "here", Bounds(small=1 << 20, ratio=2))
    assert not (tmp_path / "out" / "zeros").exists()


@pytest.mark.usefixtures("_unzstd")
def test_zstd_that_wants_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    magic, no_size, window = b"\x28\xb5\x2f\xfd", b"\x00", bytes([21 << 3])  # of 2 GiB
    (tmp_path / "a").write_bytes(magic + no_size + window + b"\x01\x00\x00")
    with pytest.raises(InputError, match="too much memory"):
        unpack(tmp_path / "a", "tar+zstd", tmp_path / "out", "here")


def damaged_at(archive: Path, at: int) -> Path:
    data = bytearray(archive.read_bytes())
    data[at] ^= 0x55
    archive.write_bytes(data)
    return archive


def packed_as(tmp_path: Path, packing: Packing) -> Path:
    """An archive of two files that do not pack well, so that all of it is content."""
    noise = random.Random(1).randbytes
    plain = packed(tmp_path / "a.tar", file("a", noise(3000)), file("b", noise(3000)))
    if packing == "tar+zstd":
        return zstd(plain)
    if packing == "tar+gzip":
        (tmp_path / "a.tgz").write_bytes(gzip.compress(plain.read_bytes()))
        return tmp_path / "a.tgz"
    return plain


@pytest.mark.parametrize("packing", ["tar+gzip", "tar+zstd"])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.3, 0.6, 0.999])
def test_one_wrong_byte_anywhere_is_told(
    request: pytest.FixtureRequest, tmp_path: Path, packing: Packing, part: float
) -> None:
    if packing == "tar+zstd":
        request.getfixturevalue("_unzstd")
    archive = packed_as(tmp_path, packing)
    damaged_at(archive, int(part * archive.stat().st_size))
    with pytest.raises(InputError, match="damaged") as told:
        unpack(archive, packing, tmp_path / "out", "oci://here/x:1")
    assert (told.value.where, bool(told.value.cure)) == ("oci://here/x:1", True)
    assert archive.name[:12] in told.value.what


@pytest.mark.parametrize("packing", ["tar", "tar+gzip", "tar+zstd"])
def test_an_archive_that_was_cut_is_told_wherever(
    request: pytest.FixtureRequest, tmp_path: Path, packing: Packing
) -> None:
    if packing == "tar+zstd":
        request.getfixturevalue("_unzstd")
    archive = packed_as(tmp_path, packing)
    whole = archive.read_bytes()
    between = 2 * (512 + 3072)  # after the last file, before the end that all archives have
    for number, cut in enumerate([0, 100, 512, 3584, 4096, 6000, *([between] if packing == "tar" else [])]):
        archive.write_bytes(whole[:cut])
        with pytest.raises(InputError, match="damaged"):
            unpack(archive, packing, tmp_path / f"out{number}", "here")


def test_an_archive_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not in the store"):
        unpack(tmp_path / "no", "tar", tmp_path / "out", "here")


@pytest.mark.parametrize("packing", ["tar", "tar+gzip", "tar+zstd"])
@pytest.mark.parametrize("data", [b"no archive", b"\x1f\x8b\x08\0broken", b"x" * 2000])
def test_a_damaged_archive_is_told(
    request: pytest.FixtureRequest, tmp_path: Path, packing: Packing, data: bytes
) -> None:
    if packing == "tar+zstd":
        request.getfixturevalue("_unzstd")
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        unpack(tmp_path / "a", packing, tmp_path / "out", "here")


def test_a_cut_archive_is_told(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.tar", file("a", b"a" * 100_000)).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:50_000])
    with pytest.raises(InputError, match="damaged"):
        unpack(tmp_path / "cut.tar", "tar", tmp_path / "out", "here")
