"""The store: whole or not there, whoever writes, wherever it is killed, however full the disk."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from weft.artifacts.digest import digest_of
from weft.artifacts.kinds import kind_of
from weft.artifacts.push import pack_model
from weft.artifacts.references import References
from weft.artifacts.store import Store
from weft.artifacts.upkeep import collect, total_size, trim, verify
from weft.artifacts.view import main_file, view
from weft.core.errors import InputError, NotFoundError, OutputError

ROOT = Path(__file__).parents[2]


def named(store: Store, folder: Path, name: str, content: bytes) -> str:
    """An artifact in the store under a name; its manifest's digest."""
    path = folder / f"{name}.onnx"
    path.write_bytes(content)
    packed = pack_model(store, [path])
    References(store).put(f"oci://localhost/{name}:1", packed.manifest.digest, packed.manifest, "model", {})
    return packed.manifest.digest


def age(store: Store, seconds: float) -> None:
    """All that is in the store becomes older."""
    for path in store.folder.rglob("*"):
        stat = path.stat()
        os.utime(path, (stat.st_atime - seconds, stat.st_mtime - seconds))


def blob_files(store: Store) -> set[str]:
    return {path.name for path in store.blobs.iterdir()}


def test_bytes_go_in_and_come_out_by_their_digest(store: Store) -> None:
    blob = store.add(b"hello")
    assert blob.digest == digest_of(b"hello") == f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    assert store.read(blob.digest, 100) == b"hello"
    assert store.has(blob.digest, 5)
    assert not store.has(blob.digest, 6)
    assert store.add(b"hello") == blob
    assert blob.path.stat().st_mode & 0o222 == 0


def test_a_file_goes_in(store: Store, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)
    blob = store.add_file(tmp_path / "f")
    assert blob.path.read_bytes() == b"x" * 3_000_000
    assert not list(store.partial.iterdir())
    with pytest.raises(NotFoundError):
        store.add_file(tmp_path / "no")


def test_a_damaged_blob_is_not_read(store: Store) -> None:
    blob = store.add(b"hello")
    blob.path.chmod(0o644)
    blob.path.write_bytes(b"hellO")
    with pytest.raises(InputError, match="changed in the store"):
        store.read(blob.digest, 100)
    with pytest.raises(InputError, match="at most"):
        store.read(blob.digest, 2)
    with pytest.raises(NotFoundError):
        store.read(digest_of(b"other"), 100)


def test_what_is_received_goes_on_and_is_checked(store: Store) -> None:
    data = os.urandom(100_000)
    digest = digest_of(data)
    with store.receive(digest, len(data)) as incoming:
        incoming.write([data[:40_000]])
        with pytest.raises(BlockingIOError):
            store.receive(digest, len(data))
    assert not store.has(digest)
    with store.receive(digest, len(data)) as incoming:
        assert incoming.offset == 40_000
        incoming.write([data[40_000:60_000], data[60_000:]])
        incoming.commit()
    assert store.read(digest, 1 << 20) == data


@pytest.mark.parametrize("data", [b"short", b"wrong wrong"])
def test_what_is_not_the_blob_never_becomes_it(store: Store, data: bytes) -> None:
    digest = digest_of(b"right right")
    with store.receive(digest, 11) as incoming:
        incoming.write([data])
        with pytest.raises(InputError, match=r"its digest is|not all there"):
            incoming.commit()
    assert not blob_files(store)
    assert not list(store.partial.iterdir())


def test_more_than_was_announced_is_refused(store: Store) -> None:
    with store.receive(digest_of(b"ab"), 2) as incoming, pytest.raises(InputError, match="announced"):
        incoming.write([b"abc"])
    assert not list(store.partial.iterdir())


def test_names_are_kept_and_forgotten(store: Store, tmp_path: Path) -> None:
    digest = named(store, tmp_path, "net", b"net")
    references = References(store)
    entry = references.get("oci://localhost/net:1")
    assert entry is not None
    assert (entry.manifest, entry.kind) == (digest, "model")
    assert [each.reference for each in references.all()] == ["oci://localhost/net:1"]
    assert references.remove("oci://localhost/net:1")
    assert not references.remove("oci://localhost/net:1")
    assert references.get("oci://localhost/net:1") is None


def test_a_name_needs_all_its_parts(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"a")
    packed = pack_model(store, [tmp_path / "a.onnx"])
    store.path(packed.manifest.layers[0].digest).unlink()
    with pytest.raises(NotFoundError, match="not in the store"):
        References(store).put("oci://localhost/a:1", packed.manifest.digest, packed.manifest, "model", {})
    assert not list(store.references.iterdir())


def test_what_no_name_needs_goes_after_its_grace(store: Store, tmp_path: Path) -> None:
    named(store, tmp_path, "kept", b"kept")
    kept = blob_files(store)
    named(store, tmp_path, "gone", b"gone")
    References(store).remove("oci://localhost/gone:1")
    store.add(b"of a pull that is under way")
    assert collect(store).blobs == 0
    age(store, 7200)
    young = store.add(b"young")
    dry = collect(store, dry=True)
    assert dry.blobs == 4
    assert collect(store).freed == dry.freed > 0
    assert blob_files(store) == kept | {young.digest[7:]}


def test_a_blob_that_is_found_again_has_its_grace_anew(store: Store) -> None:
    blob = store.add(b"old")
    age(store, 7200)
    assert store.has(blob.digest)
    assert collect(store).blobs == 0


def test_what_crashes_and_cuts_left_goes(store: Store) -> None:
    (store.staging / "1-2").write_bytes(b"x")
    (store.partial / ("0" * 64)).write_bytes(b"x")
    age(store, 7200)
    assert collect(store).partials == 0
    assert not list(store.staging.iterdir())
    age(store, 8 * 86_400)
    assert collect(store).partials == 1


def test_the_name_used_longest_ago_makes_room(tmp_path: Path) -> None:
    store = Store(tmp_path / "small", size=250_000).prepare()
    for name in ("first", "second", "third"):
        named(store, tmp_path, name, os.urandom(100_000))
        age(store, 7200)
    References(store).used("oci://localhost/first:1")
    done = trim(store)
    assert done.names == ["oci://localhost/second:1"]
    assert total_size(store) <= 250_000
    assert {entry.reference for entry in References(store).all()} == {
        "oci://localhost/first:1",
        "oci://localhost/third:1",
    }
    assert verify(store).names == []


def test_files_of_an_artifact_are_its_blobs_and_count_once(store: Store, tmp_path: Path) -> None:
    named(store, tmp_path, "net", b"n" * 100_000)
    before = total_size(store)
    [entry] = References(store).all()
    manifest = References(store).manifest(entry)
    folder = view(store, entry.manifest, kind_of(manifest, "")[1], "net")
    assert main_file(folder, (), "", "net").read_bytes() == b"n" * 100_000
    assert total_size(store) - before < 500
    References(store).remove(entry.reference)
    age(store, 7200)
    assert collect(store).views == 1
    assert not folder.exists()


def test_verify_sets_damage_aside_and_tells_whom_it_hits(store: Store, tmp_path: Path) -> None:
    named(store, tmp_path, "sound", b"sound")
    named(store, tmp_path, "hit", b"hit")
    found = verify(store)
    assert (found.damaged, found.names, found.blobs) == ([], [], 6)
    blob = store.path(digest_of(b"hit"))
    blob.chmod(0o644)
    blob.write_bytes(b"hIt")
    (store.references / "broken.json").write_text("{")
    found = verify(store)
    assert found.damaged == [digest_of(b"hit")]
    assert sorted(found.names) == ["broken.json", "oci://localhost/hit:1"]
    assert not blob.exists()
    assert {path.read_bytes() for path in store.damaged.iterdir()} == {b"hIt", b"{"}
    assert verify(store).damaged == []


def test_verify_finds_files_that_were_changed(store: Store, tmp_path: Path) -> None:
    named(store, tmp_path, "net", b"net")
    [entry] = References(store).all()
    layers = kind_of(References(store).manifest(entry), "")[1]
    folder = view(store, entry.manifest, layers, "net")
    (folder / "extra").write_bytes(b"x")
    assert verify(store).views == [entry.manifest[7:]]
    assert view(store, entry.manifest, layers, "net").joinpath("net.onnx").read_bytes() == b"net"
    assert verify(store).views == []


# --- killed at any point -------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.artifacts.test_store import named
from weft.artifacts.kinds import kind_of
from weft.artifacts.references import References
from weft.artifacts.store import Store
from weft.artifacts.upkeep import collect, verify
from weft.artifacts.view import view

CALLS = ("write", "fsync", "replace", "rename", "link", "unlink", "utime", "ftruncate", "fchmod", "rmdir")

def dying(call, left):
    def wrapped(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapped

def work(folder):
    store = Store(folder / "store").prepare()
    digest = named(store, folder, "second", b"second" * 1000)
    [entry] = [entry for entry in References(store).all() if entry.manifest == digest]
    view(store, digest, kind_of(References(store).manifest(entry), "")[1], "second")
    References(store).remove("oci://localhost/first:1")
    collect(store, grace_s=-1, partial_s=-1)

def killed(folder, at):
    child = os.fork()
    if child == 0:
        left = [at]
        for name in CALLS:
            setattr(os, name, dying(getattr(os, name), left))
        work(folder)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status != 0

point, going = 0, True
while going:
    point += 1
    folder = Path(sys.argv[1]) / str(point)
    folder.mkdir()
    store = Store(folder / "store").prepare()
    named(store, folder, "first", b"first" * 1000)
    going = killed(folder, point)
    found = verify(store)
    assert not (found.damaged or found.names or found.views), (point, found)
    work(folder)
    assert [entry.reference for entry in References(store).all()] == ["oci://localhost/second:1"], point
    assert not [*store.staging.iterdir(), *store.partial.iterdir(), *store.damaged.iterdir()], point
print(point)
"""


def test_a_kill_at_any_point_leaves_everything_whole_or_absent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


TOGETHER = """
import sys
from pathlib import Path
from tests.artifacts.test_store import named
from weft.artifacts.store import Store
from weft.artifacts.upkeep import collect, verify

folder, number = Path(sys.argv[1]), sys.argv[2]
own = folder / number
own.mkdir()
store = Store(folder / "store")
for turn in range(10):
    named(store, own, "shared", b"shared" * 50_000)
    named(store, own, f"own{number}", number.encode() * 50_000)
    collect(store)
"""


def test_processes_share_a_store(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", TOGETHER, str(tmp_path), str(number)] for number in range(3)]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for command in commands]
    for process in running:
        _, said = process.communicate(timeout=100)
        assert process.returncode == 0, said
    store = Store(tmp_path / "store")
    found = verify(store)
    assert (found.damaged, found.names) == ([], [])
    assert len(list(References(store).all())) == 4
    assert not list(store.partial.iterdir())


# --- a full disk ---------------------------------------------------------------------------

FULL = """
import resource, signal, sys
from pathlib import Path
from weft.artifacts.store import Store
from weft.core.errors import OutputError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = Store(Path(sys.argv[1])).prepare()
for write in (lambda: store.add(b"x" * 200_000), lambda: store.add_file(Path(sys.argv[2]))):
    try:
        write()
    except OutputError as error:
        assert "ulimit" in error.cure, error
    else:
        sys.exit("it was written")
"""


def test_a_full_disk_is_told_and_nothing_is_half_stored(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"y" * 200_000)
    command = [sys.executable, "-c", FULL, str(tmp_path / "store"), str(tmp_path / "large")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.name != "lock"]
    assert files == []


def test_a_disk_without_room_is_told_before_anything_comes(store: Store) -> None:
    with store.receive("sha256:" + "0" * 64, 1 << 60) as incoming, pytest.raises(OutputError, match="the disk has"):
        incoming.check_room()
    assert not list(store.partial.iterdir())


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot write"):
        Store(tmp_path / "file" / "store").add(b"x")
