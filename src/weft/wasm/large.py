"""Modules so large that reading them, and their code, at each start would be felt: hashed once, and mapped from disk.

wasmtime maps a compiled file in milliseconds where copying 300 MB takes seconds. But it runs whatever is in the file,
so a file is only taken when a note signed with this user's key says that it is the very file Weft wrote: the same
inode, untouched since (its change time cannot be set back).
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wasmtime

from weft.core.errors import OutputError, WeftError
from weft.core.paths import cache_dir
from weft.wasm.compiled import secret, write_atomically
from weft.wasm.engine import engine

KEPT = 8
"""Compiled files kept; the ones used longest ago are removed first."""


_DAMAGED = (OSError, ValueError, KeyError, TypeError, WeftError)
"""What a note may be wrong with."""


@dataclass(frozen=True, slots=True)
class LargeModule:
    """A compiled module and the SHA-256 of its WebAssembly."""

    digest: str
    raw: wasmtime.Module


def is_compiled(path: Path) -> bool:
    """True when :func:`load_large` will be quick."""
    return _Kept(path).module() is not None


def load_large(path: Path) -> LargeModule:
    """A core module from a file, compiled the first time. Raises ModuleError and OutputError."""
    kept = _Kept(path)
    if found := kept.module():
        return found
    with _locked(kept.folder):
        return kept.module() or kept.compile()


class _Kept:
    """What is on disk of one module."""

    def __init__(self, path: Path) -> None:
        self.folder = cache_dir() / "large"
        self._path = path
        self._note = self.folder / f"{_short(f'{path.absolute()} {engine().fingerprint}')}.json"

    def module(self) -> LargeModule | None:
        """The compiled module, if it is here and vouched for."""
        with suppress(*_DAMAGED, wasmtime.WasmtimeError):
            note = _signed(self._note)
            if note["source"] != _stamp(self._path.stat()):
                return None
            os.utime(self._note)
            return LargeModule(str(note["digest"]), self._map(self.folder / str(note["code"]), note["stamp"]))
        return None

    def compile(self) -> LargeModule:
        """Compile it and keep that. Where it cannot be kept, it is compiled all the same."""
        source, wasm = _stamp(self._path.stat()), self._path.read_bytes()
        digest = hashlib.sha256(wasm).hexdigest()
        raw = engine().compile_uncached(wasm, str(self._path))
        with suppress(OSError, WeftError):
            code = self.folder / f"{_short(f'{digest} {engine().fingerprint}')}.code"
            write_atomically(code, raw.serialize())
            self._sign({"source": source, "digest": digest, "code": code.name, "stamp": _stamp(code.stat())})
            self._trim()
        return LargeModule(digest, raw)

    def _map(self, code: Path, stamp: object) -> wasmtime.Module:
        """Check and map one and the same open file."""
        descriptor = os.open(code, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if stamp != _stamp(os.fstat(descriptor)):
                raise OutputError("the compiled file is not the one that was written", where=str(code))
            return wasmtime.Module.deserialize_file(engine().raw, f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def _sign(self, note: Mapping[str, object]) -> None:
        text = json.dumps(note)
        write_atomically(self._note, json.dumps({"note": text, "mac": _mac(text)}).encode())

    def _trim(self) -> None:
        notes = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for note in notes[KEPT:]:
            note.unlink(missing_ok=True)
        wanted = set()
        for note in notes[:KEPT]:
            with suppress(*_DAMAGED):
                wanted.add(str(_signed(note)["code"]))
        for code in self.folder.glob("*.code"):
            if code.name not in wanted:
                code.unlink(missing_ok=True)


def _signed(path: Path) -> dict[str, Any]:
    """A note whose signature is this user's. Raises ValueError for any other."""
    held = json.loads(path.read_bytes())
    if not hmac.compare_digest(str(held["mac"]), _mac(str(held["note"]))):
        raise ValueError("somebody else's")
    note = json.loads(held["note"])
    if not isinstance(note, dict):
        raise ValueError("no note")
    return note


def _mac(text: str) -> str:
    return hashlib.blake2b(text.encode(), key=secret(), digest_size=32).hexdigest()


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_uid]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time compiles; where there can be no lock, each does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
