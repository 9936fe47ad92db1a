"""Artifacts to and from a real registry, also where it or the network is at its worst."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.artifacts.conftest import FAST, Served
from tests.artifacts.front import Answer, Asked, Rule, blobs, front, times
from weft.artifacts.digest import digest_of
from weft.artifacts.http import Http
from weft.artifacts.local import local_path, run
from weft.artifacts.manifest import INDEX, MANIFEST
from weft.artifacts.pull import Puller, file_of, files_of, pull
from weft.artifacts.push import Component, pack_model, pack_wasm, push
from weft.artifacts.reference import OciReference, parse_oci
from weft.artifacts.references import References
from weft.artifacts.registry import Registry
from weft.artifacts.settings import Retry, Settings, Subject
from weft.artifacts.store import Store
from weft.core.errors import DeniedError, InputError, NotFoundError, OutputError, UnavailableError, UsageError


def settings(**changes: object) -> Settings:
    from dataclasses import replace

    return replace(FAST, **changes)  # type: ignore[arg-type]  # as a test says


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 3 MiB that is nowhere else."""
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    path.write_bytes(os.urandom(3 << 20))
    return path


@pytest.fixture(scope="module")
def pusher(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store that the model was pushed from."""
    return Store(tmp_path_factory.mktemp("pusher") / "store").prepare()


@pytest.fixture(scope="module")
def pushed(registry: Served, pusher: Store, model: Path) -> OciReference:
    """The model in the registry; tests leave it as it is."""
    reference = registry.name("ml/net:1")
    run(push(pack_model(pusher, [model]), reference, pusher, FAST))
    return reference


def at(host: str, reference: OciReference) -> OciReference:
    return parse_oci(f"{host}/{reference.repository}:{reference.tag}")


def nothing_but(store: Store, *folders: str) -> bool:
    """Whether the store has files in these folders alone."""
    names = ("blobs", "partial", "references", "views", "staging", "damaged")
    return {name for name in names if any((store.folder / name).iterdir())} == set(folders)


def test_a_module_goes_there_and_comes_back(registry: Served, store: Store, other: Store, module: Path) -> None:
    reference = registry.name("ml/tiny:1.2")
    sent = run(push(pack_wasm(store, module), reference, store, FAST))
    assert set(sent.blobs.values()) == {"sent"}
    found = run(pull(reference, other, FAST))
    assert (found.kind, found.entry.digest) == ("wasm", sent.entry.digest)
    assert file_of(found, other).name == "tiny.wasm"
    assert file_of(found, other).read_bytes() == module.read_bytes()


def test_the_same_module_is_the_same_artifact(store: Store, other: Store, module: Path) -> None:
    assert pack_wasm(store, module).manifest.digest == pack_wasm(other, module).manifest.digest


def test_a_wasm_config_says_what_it_is(store: Store, module: Path, tmp_path: Path) -> None:
    config = json.loads(store.read(pack_wasm(store, module).manifest.config.digest, 4096))
    assert (config["architecture"], config["os"]) == ("wasm", "wasip1")
    assert config["layerDigests"] == [digest_of(module.read_bytes())]
    component = tmp_path / "c.wasm"
    component.write_bytes(b"\0asm\x0d\0\x01\0")
    made = pack_wasm(store, component, Component(["wasi:io/poll@0.2.0"], ["wasi:cli/run@0.2.0"]))
    config = json.loads(store.read(made.manifest.config.digest, 4096))
    assert config["os"] == "wasip2"
    assert config["component"] == {"exports": ["wasi:cli/run@0.2.0"], "imports": ["wasi:io/poll@0.2.0"]}


def test_what_is_no_module_is_not_pushed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.wasm").write_text("text")
    with pytest.raises(InputError, match="no WebAssembly"):
        pack_wasm(store, tmp_path / "x.wasm")


def test_a_model_of_several_files_comes_whole(
    registry: Served, store: Store, other: Store, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\n")
    (tmp_path / "config.json").write_text("{}")
    folder = tmp_path / "extra"
    folder.mkdir()
    (folder / "README.md").write_text("# net")
    packed = pack_model(store, [model, tmp_path / "labels.txt", tmp_path / "config.json", folder])
    reference = registry.name("ml/several:1")
    run(push(packed, reference, store, FAST))
    found = run(pull(reference, other, FAST))
    files = files_of(found, other)
    assert sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()) == [
        "config.json",
        "extra/README.md",
        "labels.txt",
        "net.onnx",
    ]
    assert file_of(found, other).name == "net.onnx"
    labels = run(pull(registry.name("ml/several:1#labels.txt"), other, FAST))
    assert file_of(labels, other).read_text() == "a\nb\n"
    kinds = {part.annotations["org.cncf.model.filepath"]: part.media_type for part in found.manifest.layers}
    assert kinds["labels.txt"] == "application/vnd.cncf.model.weight.config.v1.raw"
    assert kinds["extra/README.md"] == "application/vnd.cncf.model.doc.v1.raw"


def test_what_is_there_is_not_sent_again_and_what_is_next_door_is_mounted(
    registry: Served, pusher: Store, pushed: OciReference, model: Path
) -> None:
    again = run(push(pack_model(pusher, [model]), pushed, pusher, FAST))
    assert set(again.blobs.values()) == {"there"}
    beside = run(push(pack_model(pusher, [model]), registry.name("ml/next:1"), pusher, FAST))
    assert set(beside.blobs.values()) == {"mounted"}


def test_a_large_blob_goes_in_pieces_and_on_where_a_fault_cut_it(
    registry: Served, store: Store, other: Store, model: Path
) -> None:
    refuse = times(1, lambda asked: Answer(503) if asked.method == "PATCH" else None)
    with front(registry.host, refuse) as between:
        reference = parse_oci(f"{between.host}/ml/pieces:1")
        run(push(pack_model(store, [model]), reference, store, settings(chunk=1 << 20)))
        ranges = [asked.headers["Content-Range"] for asked in between.of("PATCH")]
    assert ranges[0] == ranges[1] == "0-1048575"
    assert ranges[-1] == "2097152-3145727"
    found = run(pull(registry.name("ml/pieces:1"), other, FAST))
    assert file_of(found, other).read_bytes() == model.read_bytes()


def test_a_push_without_a_tag_is_told(registry: Served, store: Store, module: Path) -> None:
    packed = pack_wasm(store, module)
    with pytest.raises(UsageError, match="needs a tag"):
        run(push(packed, registry.name(f"ml/x@{packed.manifest.digest}"), store, FAST))


def test_a_registry_that_stops_mid_blob_is_resumed(pushed: OciReference, other: Store, model: Path) -> None:
    digest = digest_of(model.read_bytes())
    with front(pushed.host, times(1, lambda asked: Answer(cut=2 << 20) if digest in asked.path else None)) as between:
        found = run(pull(at(between.host, pushed), other, FAST))
        gets = [asked.headers.get("Range") for asked in between.of("GET", found.layers[0].part.digest)]
    assert file_of(found, other).read_bytes() == model.read_bytes()
    assert any(asked and asked.startswith("bytes=") and asked != "bytes=0-" for asked in gets)


LARGE = 9 << 20
"""More than goes by way of the parser of HTTP."""


@pytest.fixture(scope="module")
def large(registry: Served, pusher: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[OciReference, bytes]:
    """A large model in the registry, and its bytes."""
    path = tmp_path_factory.mktemp("large") / "large.onnx"
    path.write_bytes(os.urandom(LARGE))
    reference = registry.name("ml/large:1")
    run(push(pack_model(pusher, [path]), reference, pusher, FAST))
    return reference, path.read_bytes()


def of_the_large(data: bytes, answer: Answer) -> Rule:
    return lambda asked: answer if asked.method == "GET" and digest_of(data) in asked.path else None


def test_a_large_blob_comes_whole(large: tuple[OciReference, bytes], other: Store) -> None:
    reference, data = large
    assert file_of(run(pull(reference, other, FAST)), other).read_bytes() == data


@pytest.mark.parametrize("cut", [5 << 20, 8 << 20])
def test_a_large_blob_that_was_cut_is_resumed(large: tuple[OciReference, bytes], other: Store, cut: int) -> None:
    reference, data = large
    with front(reference.host, times(1, of_the_large(data, Answer(cut=cut)))) as between:
        found = run(pull(at(between.host, reference), other, FAST))
    assert file_of(found, other).read_bytes() == data
    assert [asked.headers["Range"] for asked in between.asked if "Range" in asked.headers] == [f"bytes={cut}-"]


def test_what_comes_after_a_large_blobs_end_is_left(large: tuple[OciReference, bytes], other: Store) -> None:
    reference, data = large
    answer = Answer(200, {"Content-Length": str(LARGE)}, data + b"more" * 1000, cut=LARGE + 4000)
    with front(reference.host, of_the_large(data, answer)) as between:
        found = run(pull(at(between.host, reference), other, FAST))
    assert file_of(found, other).read_bytes() == data


def test_a_server_that_falls_silent_amid_a_large_blob_is_given_up(
    large: tuple[OciReference, bytes], other: Store
) -> None:
    reference, data = large
    answer = Answer(200, {"Content-Length": str(LARGE)}, data[: 6 << 20])
    silent = front(reference.host, of_the_large(data, answer))
    with silent as between, pytest.raises(UnavailableError, match="nothing comes any more") as told:
        run(pull(at(between.host, reference), other, settings(patience_s=0.5, retry=Retry(attempts=1))))
    assert "what is there is kept" in told.value.cure
    assert not list(other.references.iterdir())


def test_a_cut_that_lasts_leaves_a_partial_file_and_the_next_pull_goes_on(
    pushed: OciReference, other: Store, model: Path
) -> None:
    def cut(asked: Asked) -> Answer | None:
        # Each further try gets a little less: nothing moves on.
        return Answer(cut=(1 << 20) if "Range" not in asked.headers else 0) if "/blobs/" in asked.path else None

    with front(pushed.host, cut) as between, pytest.raises(UnavailableError, match="cut"):
        run(pull(at(between.host, pushed), other, FAST))
    assert not list(other.references.iterdir())
    [partial] = [path for path in other.partial.iterdir() if path.stat().st_size]
    kept = partial.stat().st_size
    with front(pushed.host, lambda asked: None) as between:
        found = run(pull(at(between.host, pushed), other, FAST))
        [asked] = between.of("GET", found.layers[0].part.digest)
    assert asked.headers["Range"] == f"bytes={kept}-"
    assert file_of(found, other).read_bytes() == model.read_bytes()


def test_a_partial_file_that_was_damaged_is_begun_anew(pushed: OciReference, other: Store, pusher: Store) -> None:
    entry = References(pusher).get(pushed.name)
    assert entry is not None
    [part] = References(pusher).manifest(entry).layers
    (other.partial / part.digest[7:]).write_bytes(b"x" * (1 << 20))
    found = run(pull(pushed, other, FAST))
    assert file_of(found, other).read_bytes() == pusher.path(part.digest).read_bytes()


def test_a_server_without_ranges_starts_anew(pushed: OciReference, other: Store, model: Path) -> None:
    def rule(asked: Asked) -> Answer | None:
        if "/blobs/" not in asked.path:
            return None
        whole = model.read_bytes()
        if digest_of(whole) not in asked.path:
            return None
        return Answer(200, {}, whole, cut=None if "Range" in asked.headers else 1 << 20)

    with front(pushed.host, rule) as between:
        found = run(pull(at(between.host, pushed), other, FAST))
    assert file_of(found, other).read_bytes() == model.read_bytes()


def test_a_tampered_blob_is_refused_and_nothing_is_stored(pushed: OciReference, other: Store) -> None:
    flip = Answer(change=lambda data: bytes([data[0] ^ 1]) + data[1:])
    with front(pushed.host, blobs(flip)) as between, pytest.raises(InputError, match="its digest is") as told:
        run(pull(at(between.host, pushed), other, FAST))
    assert told.value.cure
    assert not list(other.references.iterdir())
    assert not list(other.blobs.iterdir())


@pytest.mark.parametrize("change", [lambda data: data + b"more", lambda data: data[:-5]], ids=["longer", "shorter"])
def test_a_length_that_is_not_the_blobs_is_refused(pushed: OciReference, other: Store, change) -> None:
    with front(pushed.host, blobs(Answer(change=change))) as between, pytest.raises(InputError, match="belong"):
        run(pull(at(between.host, pushed), other, FAST))
    assert not list(other.references.iterdir())


def test_more_bytes_than_announced_are_not_taken(pushed: OciReference, other: Store, model: Path) -> None:
    def endless(asked: Asked) -> Answer | None:
        headers = {"Content-Length": "", "Connection": "close"}
        return (
            Answer(200, headers, os.urandom(4 << 20), cut=4 << 20)
            if digest_of(model.read_bytes()) in asked.path
            else None
        )

    def rule(asked: Asked) -> Answer | None:
        return endless(asked) if asked.method == "GET" else None

    with front(pushed.host, rule) as between, pytest.raises((InputError, UnavailableError)):
        run(pull(at(between.host, pushed), other, FAST))
    assert not list(other.references.iterdir())


def test_a_busy_registry_is_tried_again_as_late_as_it_asks(pushed: OciReference, other: Store) -> None:
    busy = times(2, lambda asked: Answer(429, {"Retry-After": "0"}) if "/manifests/" in asked.path else None)
    with front(pushed.host, busy) as between:
        assert run(pull(at(between.host, pushed), other, FAST)).kind == "model"
        assert len(between.of("GET", "/manifests/")) == 3


def test_a_registry_that_asks_for_an_hour_is_believed(pushed: OciReference, other: Store) -> None:
    busy = Answer(429, {"Retry-After": "3600"})
    with front(pushed.host, lambda asked: busy) as between, pytest.raises(UnavailableError, match="429") as told:
        run(pull(at(between.host, pushed), other, FAST))
    assert "3600 s" in told.value.cure
    assert len(between.asked) == 1


def test_a_registry_that_stays_broken_is_given_up(pushed: OciReference, other: Store) -> None:
    with front(pushed.host, lambda asked: Answer(502)) as between, pytest.raises(UnavailableError, match="502"):
        run(pull(at(between.host, pushed), other, FAST))
    assert len(between.asked) == FAST.retry.attempts


def test_nobody_there_is_told_after_the_tries(other: Store) -> None:
    with front("127.0.0.1:1", lambda asked: None) as gone:
        host = gone.host
    with pytest.raises(UnavailableError, match="no connection"):
        run(pull(parse_oci(f"{host}/a/b:1"), other, FAST))


@pytest.mark.parametrize("name", ["no/such:1", "no/such@sha256:" + "0" * 64])
def test_what_the_registry_does_not_have_is_told(registry: Served, other: Store, name: str) -> None:
    with pytest.raises(NotFoundError) as told:
        run(pull(registry.name(name), other, FAST))
    assert "check the name" in told.value.cure


def test_a_manifest_of_100_mb_is_not_read(pushed: OciReference, other: Store) -> None:
    def rule(asked: Asked) -> Answer | None:
        headers = {"Content-Length": str(100 << 20)}
        return Answer(200, headers, b"{" * (8 << 20), cut=8 << 20) if "/manifests/" in asked.path else None

    with front(pushed.host, rule) as between, pytest.raises(InputError, match="larger than 4 MiB"):
        run(pull(at(between.host, pushed), other, FAST))
    assert nothing_but(other)


def test_a_manifest_without_a_length_is_cut_off_at_its_bound(pushed: OciReference, other: Store) -> None:
    def rule(asked: Asked) -> Answer | None:
        unknown = Answer(200, {"Content-Length": "", "Connection": "close"}, b" " * (8 << 20), cut=8 << 20)
        return unknown if "/manifests/" in asked.path else None

    with front(pushed.host, rule) as between, pytest.raises(InputError, match="longer than 4194304 bytes"):
        run(pull(at(between.host, pushed), other, FAST))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"no json", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"mediaType":"application/x"}', "no manifest Weft knows"),
        (b'{"config":{"mediaType":"a","digest":"md5:1","size":1},"layers":[]}', "digest is md5"),
        (b'{"config":{"mediaType":"a","digest":"sha256:1","size":1},"layers":[]}', "no digest"),
        (b'{"config":{"mediaType":"a","digest":"sha256:%s","size":-1},"layers":[]}' % (b"0" * 64), "no size"),
        (b'{"config":{"mediaType":"a","digest":"sha256:%s","size":1},"layers":7}' % (b"0" * 64), "no list"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_manifest_that_is_none_is_told(pushed: OciReference, other: Store, body: bytes, why: str) -> None:
    def rule(asked: Asked) -> Answer | None:
        return Answer(200, {"Content-Type": ""}, body) if "/manifests/" in asked.path else None

    with front(pushed.host, rule) as between, pytest.raises(InputError, match=why):
        run(pull(at(between.host, pushed), other, FAST))
    assert nothing_but(other)


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(pushed: OciReference, other: Store) -> None:
    flip = Answer(change=lambda data: data + b" ")
    rule: Rule = lambda asked: flip if "/manifests/" in asked.path else None  # noqa: E731
    with front(pushed.host, rule) as between, pytest.raises(InputError, match="the manifest's digest"):
        run(pull(at(between.host, pushed), other, FAST))


def test_an_index_gives_the_manifest_for_wasm(registry: Served, store: Store, other: Store, module: Path) -> None:
    packed = pack_wasm(store, module)
    reference = registry.name("ml/index:1")
    run(push(packed, reference, store, FAST))
    entry = {"mediaType": MANIFEST, "digest": packed.manifest.digest, "size": len(packed.manifest.raw)}
    wasm = {**entry, "platform": {"architecture": "wasm", "os": "wasip1"}}
    put_index(reference, "all", [wasm])
    found = run(pull(reference.tagged("all"), other, FAST))
    assert found.manifest.digest == packed.manifest.digest != found.entry.digest
    assert run(pull(reference.tagged("all"), other, settings(offline=True))).entry == found.entry.__class__(
        **{**{name: getattr(found.entry, name) for name in found.entry.__slots__}, "used": pytest.approx(0, abs=1e12)}
    )


def test_an_index_without_the_platform_lists_what_it_has(registry: Served, store: Store, module: Path) -> None:
    packed = pack_wasm(store, module)
    reference = registry.name("ml/foreign:1")
    run(push(packed, reference, store, FAST))
    entry = {"mediaType": MANIFEST, "digest": packed.manifest.digest, "size": len(packed.manifest.raw)}
    put_index(reference, "s390", [{**entry, "platform": {"architecture": "s390x", "os": "linux"}}])
    with pytest.raises(NotFoundError) as told:
        run(pull(reference.tagged("s390"), store, FAST))
    assert "linux/s390x" in told.value.cure


def put_index(reference: OciReference, tag: str, manifests: list[dict[str, object]]) -> None:
    raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()

    async def put() -> None:
        async with Http(FAST) as http:
            await Registry(http, reference, write=True).put_manifest(raw, INDEX, (tag,))

    run(put())


def test_a_redirect_to_another_host_gets_no_password(
    closed_registry: Served, store: Store, other: Store, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.artifacts.conftest import PASSWORD, USER

    whole = model.read_bytes()
    with (
        front(closed_registry.host, lambda asked: Answer(200, {}, whole)) as storage,
        front(closed_registry.host, lambda asked: moved(asked, storage.host)) as between,
    ):

        def moved(asked: Asked, host: str) -> Answer | None:
            there = asked.method == "GET" and digest_of(whole) in asked.path
            allowed = "Authorization" in asked.headers
            return Answer(307, {"Location": f"http://{host}/signed?secret=1"}) if there and allowed else None

        monkeypatch.setenv("WEFT_REGISTRY", between.host)
        monkeypatch.setenv("WEFT_REGISTRY_USER", USER)
        monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", PASSWORD)
        reference = parse_oci(f"{between.host}/ml/moved:1")
        run(push(pack_model(store, [model]), reference, store, FAST))
        assert file_of(run(pull(reference, other, FAST)), other).read_bytes() == whole
        assert [asked.path for asked in storage.asked] == ["/signed?secret=1"]
        assert "Authorization" not in storage.asked[0].headers


def test_redirects_without_end_are_left(pushed: OciReference, other: Store) -> None:
    loop = lambda asked: Answer(302, {"Location": asked.path})  # noqa: E731
    with front(pushed.host, loop) as between, pytest.raises(InputError, match="without end"):
        run(pull(at(between.host, pushed), other, FAST))


def test_offline_touches_no_network(pushed: OciReference, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with front(pushed.host, lambda asked: None) as between:
        reference = at(between.host, pushed)
        with pytest.raises(UnavailableError, match="offline") as told:
            run(pull(reference, other, settings(offline=True)))
        assert "--offline" in told.value.cure
        assert not between.asked
        run(pull(reference, other, FAST))
        asked = len(between.asked)
        assert run(pull(reference, other, settings(offline=True))).fetched == 0
        assert len(between.asked) == asked
    monkeypatch.setenv("WEFT_OFFLINE", "1")
    assert Settings().offline


def test_what_is_there_is_used_without_asking_and_a_pull_looks_for_newer(
    registry: Served, store: Store, other: Store, model: Path, tmp_path: Path
) -> None:
    moving = registry.name("ml/moving:1")
    run(push(pack_model(store, [model]), moving, store, FAST))
    with front(registry.host, lambda asked: None) as between:
        reference = at(between.host, moving)
        first = run(pull(reference, other, FAST))
        newer = tmp_path / "newer.onnx"
        newer.write_bytes(b"newer")
        sent = run(push(pack_model(store, [newer]), moving, store, FAST))
        asked = len(between.asked)
        assert run(pull(reference, other, FAST, refresh=False)).entry.digest == first.entry.digest
        assert len(between.asked) == asked
        assert run(pull(reference, other, FAST)).entry.digest == sent.entry.digest


def test_a_digest_that_is_there_needs_no_network(pushed: OciReference, pusher: Store) -> None:
    entry = References(pusher).get(pushed.name)
    assert entry is not None
    pinned = parse_oci(f"{pushed.place}@{entry.digest}")
    assert run(pull(pinned, pusher, settings(offline=True))).fetched == 0


def test_plain_http_goes_to_this_machine_alone(other: Store) -> None:
    async def ask(**how: object) -> None:
        async with Http(settings(**how)) as http:
            http.check("http://registry.example/v2/")

    with pytest.raises(DeniedError, match="in the clear"):
        run(ask())
    run(ask(plain_http=True))


def test_a_check_sees_the_artifact_before_its_parts_and_at_each_use(pushed: OciReference, other: Store) -> None:
    seen: list[Subject] = []

    async def check(subject: Subject) -> None:
        seen.append(subject)
        assert await subject.attached("sha256-0.sig") is None
        if len(seen) == 1:
            raise DeniedError("it has no signature", where=subject.reference)

    careful = settings(check=check)
    with pytest.raises(DeniedError, match="no signature"):
        run(pull(pushed, other, careful))
    assert nothing_but(other)
    run(pull(pushed, other, careful))
    run(pull(pushed, other, careful, refresh=False))
    assert {subject.digest for subject in seen} == {References(other).get(pushed.name).digest}  # type: ignore[union-attr]
    assert len(seen) == 3


def test_what_stands_beside_an_artifact_is_kept_with_it(
    pushed: OciReference, store: Store, other: Store, tmp_path: Path
) -> None:
    beside = pushed.tagged("sha256-abc.sig")
    small = tmp_path / "small.onnx"
    small.write_bytes(b"signature")
    run(push(pack_model(store, [small]), beside, store, FAST))
    found: list[bytes] = []

    async def check(subject: Subject) -> None:
        attached = await subject.attached("sha256-abc.sig")
        assert attached is not None
        found.append(await attached.blob(attached.manifest.layers[0]))

    run(pull(pushed, other, settings(check=check)))
    run(pull(pushed, other, settings(check=check, offline=True)))
    assert found == [b"signature", b"signature"]


def test_progress_is_told_to_the_end(pushed: OciReference, other: Store, model: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run(pull(pushed, other, settings(progress=lambda *words: told.append(words))))
    assert ("net.onnx", 3 << 20, 3 << 20) in told
    assert all(done <= total for _, done, total in told)


def test_several_pulls_at_once_bring_it_once(pushed: OciReference, other: Store) -> None:
    import asyncio

    async def both() -> list[int]:
        async with Http(FAST) as http:
            found = await asyncio.gather(*(Puller(other, http).pull(pushed) for _ in range(3)))
            return [pulled.fetched for pulled in found]

    with front(pushed.host, lambda asked: None):
        assert sum(run(both())) == 2  # its config and its one layer


def test_an_artifact_larger_than_the_store_is_refused_before_it_is_fetched(
    pushed: OciReference, tmp_path: Path
) -> None:
    small = Store(tmp_path / "small", size=1 << 20)
    with pytest.raises(OutputError, match="the store may hold"):
        run(pull(pushed, small, FAST))
    assert nothing_but(small)


def test_a_program_with_a_loop_of_its_own_can_ask_too(pushed: OciReference, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def program() -> Path:
        return local_path(str(pushed))

    assert asyncio.run(program()).name == "net.onnx"


def test_a_pull_looks_for_newer_signatures_and_a_use_does_not(
    registry: Served, store: Store, other: Store, model: Path, tmp_path: Path
) -> None:
    signed = registry.name("ml/signed:1")
    run(push(pack_model(store, [model]), signed, store, FAST))
    found: list[bytes] = []

    async def check(subject: Subject) -> None:
        attached = await subject.attached("sha256-1.sig")
        found.append(b"" if attached is None else await attached.blob(attached.manifest.layers[0]))

    def sign(text: bytes) -> None:
        (tmp_path / "s.onnx").write_bytes(text)
        run(push(pack_model(store, [tmp_path / "s.onnx"]), signed.tagged("sha256-1.sig"), store, FAST))

    run(pull(signed, other, settings(check=check)))
    sign(b"first")
    run(pull(signed, other, settings(check=check), refresh=False))
    sign(b"second")
    run(pull(signed, other, settings(check=check), refresh=False))
    run(pull(signed, other, settings(check=check)))
    assert found == [b"", b"first", b"first", b"second"]
