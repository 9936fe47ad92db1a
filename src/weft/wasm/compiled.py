"""Compiled code on disk. Loading a compiled file runs whatever is in it, so it is signed with a local secret.

A ``.cwasm`` file of Weft is: the magic, a header (length and JSON), a keyed BLAKE2b digest over header and
code, the code. Only files this user made here load without being trusted explicitly.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from weft.core.errors import DeniedError, ModuleError, OutputError, UnavailableError, WeftError
from weft.core.paths import cache_dir, config_dir

MAGIC = b"WEFTCW1\n"
MAC_SIZE = 32
KEY_SIZE = 32
CACHE_FILES = 256
"""Compiled modules kept; the ones used longest ago are removed first."""

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Header:
    """What a compiled file was made from: the module's name and SHA-256, and the engine's fingerprint.

    ``memories`` is how many linear memories a component's modules define; of a core module nothing is noted.
    """

    name: str
    digest: str
    engine: str
    memories: int = 0


def seal(header: Header, code: bytes) -> bytes:
    """A compiled file that only this user's Weft will load."""
    head = json.dumps(asdict(header)).encode()
    return b"".join((MAGIC, _LENGTH.pack(len(head)), head, _mac(head, code), code))


def unseal(data: bytes, where: str, *, trust: bool = False) -> tuple[Header, bytes]:
    """Header and code of a compiled file.

    Raises ModuleError when the file is damaged, DeniedError when someone else made it and ``trust`` is off, and
    UnavailableError when this user's key cannot be read.
    """
    header, head, mac, code = _split(data, where)
    if not trust and not hmac.compare_digest(mac, _mac(head, code)):
        raise DeniedError(
            "this compiled file was not made here by you, or was changed since",
            where=where,
            cure="compile the .wasm again with `weft compile`, or pass --trust if you know who made it",
        )
    return header, code


def _split(data: bytes, where: str) -> tuple[Header, bytes, bytes, bytes]:
    try:
        start = len(MAGIC) + _LENGTH.size
        (size,) = _LENGTH.unpack(data[len(MAGIC) : start])
        head, rest = data[start : start + size], data[start + size :]
        header = Header(**json.loads(head))
    except (ValueError, TypeError, RecursionError, struct.error):
        raise ModuleError("the compiled file is damaged", where=where, cure="compile it again") from None
    return header, head, rest[:MAC_SIZE], rest[MAC_SIZE:]


def _mac(head: bytes, code: bytes) -> bytes:
    digest = hashlib.blake2b(key=secret(), digest_size=MAC_SIZE)
    digest.update(_LENGTH.pack(len(head)) + head)
    digest.update(code)
    return digest.digest()


def secret() -> bytes:
    """This user's key, made on first use, and again where it is damaged: a short key would be no secret.

    Raises UnavailableError when it can be neither read nor made.
    """
    path = config_dir() / "compile.key"
    try:
        if (key := _read_key(path)) is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, secrets.token_bytes(KEY_SIZE), keep_existing=not path.exists())
            key = path.read_bytes()
    except OSError as error:
        raise UnavailableError(
            f"the key for compiled code cannot be read or made: {error.strerror}",
            where=str(path),
            cure="make its folder writable, or set WEFT_CONFIG to one that is",
        ) from error
    return key


def _read_key(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        key = path.read_bytes()
        return key if len(key) == KEY_SIZE else None
    return None


def write_compiled(path: Path, header: Header, code: bytes) -> None:
    """Write a compiled file, whole or not at all. Raises OutputError."""
    try:
        write_atomically(path, seal(header, code))
    except OSError as error:
        raise OutputError(f"cannot write: {error.strerror}", where=str(path), cure="choose another -o") from error


def write_atomically(path: Path, data: bytes | bytearray, *, keep_existing: bool = False) -> None:
    """Write a file that this user alone can read, whole or not at all. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if keep_existing:
            with suppress(FileExistsError):
                os.link(name, path)
        else:
            Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


class CompiledCache:
    """Compiled modules by digest and engine, at most ``CACHE_FILES``. A cache that cannot be used is no error."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self.hits = 0
        self.misses = 0

    def get(self, digest: str) -> bytes | None:
        """The code for a module's digest, or None."""
        try:
            path = self._path(digest)
            header, code = unseal(path.read_bytes(), str(path))
            os.utime(path)
        except (OSError, WeftError):
            self.misses += 1
            return None
        fits = header.digest == digest and header.engine == self._engine
        self.hits += fits
        self.misses += not fits
        return code if fits else None

    def put(self, digest: str, name: str, serialize: Callable[[], bytes | bytearray]) -> None:
        """Keep a module's code."""
        with suppress(OSError, UnavailableError):
            path = self._path(digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, seal(Header(name, digest, self._engine), bytes(serialize())))
            self._trim(path.parent)

    def _path(self, digest: str) -> Path:
        key = hashlib.sha256(f"{digest} {self._engine}".encode()).hexdigest()
        return cache_dir() / "compiled" / f"{key}.cwasm"

    @staticmethod
    def _trim(folder: Path) -> None:
        files = sorted(folder.glob("*.cwasm"), key=lambda path: path.stat().st_mtime)
        for path in files[: max(0, len(files) - CACHE_FILES)]:
            path.unlink(missing_ok=True)


class NoCache(CompiledCache):
    """Keeps nothing: a debugger writes its breakpoints into the code, and they would be kept with it."""

    def get(self, digest: str) -> bytes | None:
        """None."""
        self.misses += 1
        return None

    def put(self, digest: str, name: str, serialize: Callable[[], bytes | bytearray]) -> None:
        """Nothing."""
