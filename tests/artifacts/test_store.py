"""The store: whole or not there, whoever writes, wherever it is killed, however full the disk."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import resource
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from weft.artifacts.digest import Descriptor, digest_of
from weft.artifacts.kinds import Layer, kind_of
from weft.artifacts.manifest import MANIFEST, Manifest, parse_manifest, write_json
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
    store.set_aside(blob.digest)
    assert [path.read_bytes() for path in store.damaged.iterdir()] == [b"hellO"]
    store.set_aside(blob.digest)  # another process has done it meanwhile


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


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"reference": 1, "digest": "", "manifest": "", "kind": "", "size": 1, "added": 1}']
)
def test_a_name_whose_file_is_broken_is_none(store: Store, text: str) -> None:
    References(store).path("oci://localhost/net:1").write_text(text)
    assert References(store).get("oci://localhost/net:1") is None
    assert list(References(store).all()) == []
    collect(store)
    assert len(verify(store).names) == 1  # set aside, and told


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


def test_what_is_too_young_to_go_is_told(store: Store, tmp_path: Path) -> None:
    named(store, tmp_path, "net", b"n" * 1000)
    store.add(b"nobody's")
    done = collect(store, size=100)
    assert (done.freed, done.young) == (0, 8)
    assert done.over == total_size(store) - 8 - 100 > 0
    age(store, 7200)
    done = collect(store, size=100)
    assert (done.young, done.over, total_size(store)) == (0, 0, 0)


def test_signatures_go_with_what_they_sign(store: Store, tmp_path: Path) -> None:
    digest = named(store, tmp_path, "net", b"net")
    names = References(store)
    [entry] = names.all()
    manifest = names.manifest(entry)
    names.put(f"oci://localhost/net:sha256-{digest[7:]}.sig", digest, manifest, "signature", {})
    names.put(f"oci://localhost/other:sha256-{digest[7:]}.sig", digest, manifest, "signature", {})
    assert len(list(names.all())) == 3
    collect(store)
    assert len(list(names.all())) == 3  # somebody may be pulling what is signed
    age(store, 7200)
    collect(store, dry=True)
    assert len(list(names.all())) == 3
    collect(store)
    assert {each.reference.partition("/net")[2] for each in names.all()} == {":1", f":sha256-{digest[7:]}.sig"}
    names.remove(entry.reference)
    age(store, 7200)
    collect(store)
    assert not list(names.all())
    assert not blob_files(store)


def test_what_was_set_aside_goes_in_the_end(store: Store) -> None:
    (store.damaged / "1-2.old").write_bytes(b"x" * 100)
    assert collect(store).freed == 0
    age(store, 7200)
    assert collect(store).freed == 100
    assert not list(store.damaged.iterdir())


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


# --- others who are at work, and others who were killed ------------------------------------

HALF = """
import os, sys
from pathlib import Path
from weft.artifacts.digest import digest_of
from weft.artifacts.kinds import kind_of
from weft.artifacts.references import References
from weft.artifacts.store import Store
from weft.artifacts.view import view

def wait():
    print("half", flush=True)
    sys.stdin.readline()

def half_way(call):
    def wrapped(descriptor):
        os.fsync = call
        wait()
        return call(descriptor)
    return wrapped

def receive(store):
    data = b"slow" * 50_000
    with store.receive(digest_of(data), len(data)) as incoming:
        incoming.write([data[:100_000]])
        wait()
        incoming.write([data[100_000:]])
        incoming.commit()

def make_view(store):
    [entry] = References(store).all()
    os.fsync = half_way(os.fsync)
    view(store, entry.manifest, kind_of(References(store).manifest(entry), "")[1], "net")

def write(store):
    os.fsync = half_way(os.fsync)
    store.add(b"small")

{"receive": receive, "view": make_view, "write": write}[sys.argv[2]](Store(Path(sys.argv[1])))
"""


def at_work(store: Store, what: str) -> subprocess.Popen[str]:
    """A process that is half-way through something, and goes on when it gets a line."""
    command = [sys.executable, "-c", HALF, str(store.folder), what]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def packed_files(store: Store, folder: Path) -> None:
    """An artifact under a name, whose one layer is an archive."""
    with tarfile.open(folder / "net.tar", "w") as tar:
        (folder / "net.onnx").write_bytes(b"net" * 1000)
        tar.add(folder / "net.onnx", "net.onnx")
    layer, config = store.add_file(folder / "net.tar"), store.add(b"{}")
    parts = [
        Descriptor("application/vnd.cncf.model.config.v1+json", config.digest, config.size),
        Descriptor("application/vnd.cncf.model.weight.v1.tar", layer.digest, layer.size),
    ]
    raw = write_json(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0].record(), "layers": [parts[1].record()]}
    )
    store.add(raw)
    manifest = parse_manifest(raw, "test")
    assert isinstance(manifest, Manifest)
    References(store).put("oci://localhost/net:1", manifest.digest, manifest, "model", {})


@pytest.mark.parametrize("what", ["receive", "view", "write"])
def test_what_a_slow_process_writes_is_never_swept(store: Store, tmp_path: Path, what: str) -> None:
    packed_files(store, tmp_path)
    with at_work(store, what) as process:
        there = {*store.partial.iterdir(), *store.staging.iterdir()}
        assert len(there) == 1
        age(store, 30 * 86_400)
        trim(store)
        collect(store, grace_s=-1, partial_s=-1)
        assert {*store.partial.iterdir(), *store.staging.iterdir()} == there
        process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert not [*store.partial.iterdir(), *store.staging.iterdir()]
    found = verify(store)
    assert (found.damaged, found.views, found.names) == ([], [], [])


@pytest.mark.parametrize("what", ["receive", "view", "write"])
def test_what_a_killed_process_left_goes_with_the_next_pull(store: Store, tmp_path: Path, what: str) -> None:
    packed_files(store, tmp_path)
    with at_work(store, what) as process:
        process.kill()
    assert [*store.partial.iterdir(), *store.staging.iterdir()]
    trim(store)
    assert len(list(store.partial.iterdir())) == (what == "receive")  # a pull may go on with that
    assert not list(store.staging.iterdir())
    age(store, 8 * 86_400)
    assert trim(store).partials == (what == "receive")
    assert not list(store.partial.iterdir())
    assert verify(store).names == []


def test_a_file_that_another_adds_at_the_moment_is_waited_for(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"both" * 1000
    (tmp_path / "f").write_bytes(data)
    with store.receive(digest_of(data), len(data)) as other:

        def meanwhile(seconds: float) -> None:
            other.write([data])
            other.commit()

        monkeypatch.setattr("weft.artifacts.store.time.sleep", meanwhile)
        assert store.add_file(tmp_path / "f").path.read_bytes() == data


READ_ONLY = """
import os, sys
from pathlib import Path
from weft.artifacts.digest import digest_of, hex_of
from weft.artifacts.store import Store

if os.geteuid() == 0:
    os.seteuid(65534)  # root may write what is read-only
store = Store(Path(sys.argv[1]) / "store").prepare()
partial = store.partial / hex_of(digest_of(b"whole"))
partial.write_bytes(b"whole")
partial.chmod(0o444)
with store.receive(digest_of(b"whole"), 5) as incoming:
    incoming.commit()
assert store.read(digest_of(b"whole"), 5) == b"whole"
"""


def test_a_kill_just_before_the_end_does_not_lock_a_user_out() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        command = [sys.executable, "-c", READ_ONLY, name]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("packing", ["raw", "tar"])
def test_files_are_not_made_of_a_blob_that_was_changed(store: Store, tmp_path: Path, packing: str) -> None:
    if packing == "tar":
        packed_files(store, tmp_path)
    else:
        named(store, tmp_path, "net", b"net" * 1000)
    [entry] = References(store).all()
    manifest = References(store).manifest(entry)
    layers = kind_of(manifest, "")[1]
    blob = store.path(layers[0].part.digest)
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.seek(600)
        file.write(b"X")
    with pytest.raises(InputError, match="changed in the store") as told:
        view(store, entry.manifest, layers, "oci://localhost/net:1")
    assert "pull it again" in told.value.cure
    assert not blob.exists()
    assert len(list(store.damaged.iterdir())) == 1
    assert not [*store.views.iterdir(), *store.staging.iterdir()]


def _flock_of_nfs(descriptor: int, how: int, inner: Callable[[int, int], None] = fcntl.flock) -> None:
    """As NFS has it: held with others only what can be read, alone only what can be written."""
    mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if file and mode == (os.O_WRONLY if how & fcntl.LOCK_SH else os.O_RDONLY):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    inner(descriptor, how)


def test_a_store_may_be_on_nfs(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", _flock_of_nfs)
    named(store, tmp_path, "net", b"1" * 1000)
    left = [store.staging / "1-killed", store.partial / ("0" * 64)]
    for path in left:
        path.write_bytes(b"some")
    age(store, 8 * 86_400.0)
    trim(store)
    assert [path.exists() for path in left] == [False, False]
    assert verify(store).damaged == []


def test_a_disk_without_locks_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OutputError) as caught:
        store.add(b"hello")
    assert "locks" in caught.value.cure


def test_files_that_cannot_stand_beside_each_other_are_told(store: Store) -> None:
    blob = store.add(b"x")
    part = Descriptor("application/octet-stream", blob.digest, blob.size)
    layers = [Layer(part, "file", "raw", name) for name in ("a", "a/b")]
    with pytest.raises(InputError, match="there twice"):
        view(store, digest_of(b"manifest"), layers, "here")
    assert not [*store.views.iterdir(), *store.staging.iterdir()]


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
