"""An artifact as files: what opens models and modules knows paths, not blobs."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from weft.artifacts.digest import digest_of_file, hex_of, short
from weft.artifacts.disk import staged, sync_folder, told
from weft.artifacts.kinds import Layer
from weft.artifacts.store import Store
from weft.artifacts.unpack import BOUNDS, Bounds, safe_name, unpack
from weft.core.errors import InputError, NotFoundError
from weft.core.suggest import did_you_mean

FILES, LIST = "files", "list.json"
MAX_LIST = 16 << 20

_MODELS = (".onnx", ".tflite", ".xml", ".pb", ".gguf", ".safetensors")
_MODULES = (".wasm", ".wat", ".cwasm", ".py", ".yaml", ".yml")


def view(store: Store, manifest: str, layers: Iterable[Layer], where: str, bounds: Bounds = BOUNDS) -> Path:
    """The folder of an artifact's files, made when it is not there yet: whole, or not at all.

    Raises InputError for names that lead out of it, and as :func:`weft.artifacts.unpack.unpack`.
    """
    folder = store.views / hex_of(manifest)
    if not (folder / FILES).is_dir():
        with ExitStack() as held:
            with told(store.staging):
                made, _ = held.enter_context(staged(store.staging, folder=True))
            _make(store, made, layers, where, bounds)
            _place(made, folder)
    return folder / FILES


def _make(store: Store, made: Path, layers: Iterable[Layer], where: str, bounds: Bounds) -> None:
    files = made / FILES
    with told(made):
        files.mkdir()
    wanted: dict[str, str] = {}
    for layer in layers:
        blob = store.path(layer.part.digest)
        if layer.packing != "raw":
            _check(store, layer.part.digest, blob, where)
            unpack(blob, layer.packing, files, where, bounds)
            continue
        path = safe_name(layer.name, where)
        wanted[str(path)] = layer.part.digest
        _link(blob, files / path, where)
    listed = {path.relative_to(files).as_posix(): digest_of_file(path) for path in files.rglob("*") if path.is_file()}
    for name, digest in wanted.items():
        if listed[name] != digest:
            raise _changed(store, digest, where)
    with told(made):
        _sync(files)
        _list(made, listed)


def _list(made: Path, listed: dict[str, str]) -> None:
    with (made / LIST).open("xb") as file:
        file.write(json.dumps(listed).encode())
        file.flush()
        os.fsync(file.fileno())
    sync_folder(made)


def _check(store: Store, digest: str, blob: Path, where: str) -> None:
    """What lies in the store may have been changed since it came."""
    try:
        found = digest_of_file(blob)
    except OSError as error:
        raise NotFoundError("a part is not in the store", where=where, cure="pull it again") from error
    if found != digest:
        raise _changed(store, digest, where)


def _changed(store: Store, digest: str, where: str) -> InputError:
    store.set_aside(digest)
    return InputError(f"{short(digest)} was changed in the store", where=where, cure="pull it again: it is set aside")


def _link(blob: Path, target: Path, where: str) -> None:
    """The blob under the file's own name, without a copy where the disk can do that."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(blob)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"'{target.name}' is there twice", where=where, cure="give each file its own name") from error
    except FileNotFoundError as error:
        raise NotFoundError("a part is not in the store", where=where, cure="pull it again") from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP):
            with told(target):
                raise
        with told(target):
            shutil.copyfile(blob, target)


def _sync(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            sync_folder(path)
        elif path.stat().st_nlink == 1:
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _place(made: Path, folder: Path) -> None:
    with told(folder):
        try:
            made.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return  # somebody else made the same
        sync_folder(folder.parent)


def changed_files(folder: Path) -> list[str]:
    """The files of a view that are not what they were, by their names; the list itself where it is not there."""
    try:
        data = (folder / LIST).read_bytes()[:MAX_LIST]
        listed: dict[str, str] = json.loads(data)
        wrong = [name for name, digest in listed.items() if not _is(folder / FILES / name, digest)]
    except (OSError, ValueError, AttributeError):
        return [LIST]
    there = {path.relative_to(folder / FILES).as_posix() for path in (folder / FILES).rglob("*") if path.is_file()}
    return wrong + sorted(there - set(listed))


def _is(path: Path, digest: str) -> bool:
    with suppress(OSError):
        return digest_of_file(path) == digest
    return False


def main_file(folder: Path, layers: Iterable[Layer], wanted: str, where: str) -> Path:
    """The file that an artifact is: the one that is ``wanted``, its module, or its model.

    Raises NotFoundError where there is no such file or it is not clear which one is meant.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if wanted:
        path = folder / safe_name(wanted, where)
        if not path.exists():
            cure = did_you_mean(wanted, names) or f"it has {_some(names)}"
            raise NotFoundError(f"the artifact has no file '{wanted}'", where=where, cure=cure)
        return path
    roles = {layer.name: layer.role for layer in layers if layer.name}
    for choice in _choices(names, roles):
        if len(choice) == 1:
            found = folder / choice[0]
            return found.parent if found.name == "saved_model.pb" else found
    cure = f"add #FILE to the reference, as in {where}#{names[0] if names else 'model.onnx'}; it has {_some(names)}"
    raise NotFoundError("it is not clear which of its files is meant", where=where, cure=cure)


def _choices(names: list[str], roles: dict[str, str]) -> list[list[str]]:
    """What may be meant, the surest first; the first group of one is it."""
    weights = [name for name in names if roles.get(name, "weight") in ("weight", "model")]
    return [
        names,
        [name for name in names if roles.get(name) == "module"],
        [name for name in weights if name.endswith(_MODELS)],
        [name for name in names if name.endswith(_MODELS)],
        [name for name in names if name.endswith(_MODULES)],
        weights if roles else [],
    ]


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
