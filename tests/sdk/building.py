"""Functions in every guest language, made and built once per test run as a user does, shared between its processes."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.guests.build import shared_folder
from weft.core.errors import UnavailableError
from weft.core.resources import sdk
from weft.toolchains import language, languages
from weft.toolchains.base import Tool
from weft.toolchains.compiling import build
from weft.toolchains.scaffold import create

LANGUAGES = sorted(languages())
CORE = [lang for lang in LANGUAGES if lang != "python"]
"""Those whose functions are core modules, which import the host's functions one by one."""

CONFORMANCE = Path(__file__).parent / "conformance"


def example(lang: str) -> Path:
    """The classification example of a language."""
    return sdk() / lang / "examples" / "classify" / Path(language(lang).source).name


def conformance(lang: str) -> Path:
    """The function that calls everything."""
    return CONFORMANCE / Path(language(lang).source).name


def tool(lang: str, folder: Path) -> Tool:
    """The compiler; without one the test skips, or fails in CI."""
    try:
        return language(lang).find(folder)
    except UnavailableError as error:
        missing(f"the {language(lang).title} compiler", error.cure)
        raise AssertionError from error  # missing() does not return


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where functions are built."""

    folder: Path

    def make(self, lang: str, kind: str, source: Path | None = None) -> Path:
        """The folder of a new function, built, with its source replaced by another one."""
        tool(lang, self.folder)
        folder = self.folder / kind / f"{kind}-{lang}"
        folder.parent.mkdir(exist_ok=True)
        with (self.folder / f"{kind}-{lang}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / f"{folder.name}.wasm").exists():
                self._build(lang, folder, source)
        return folder

    def example(self, lang: str) -> Path:
        """The classification example, ready to be run. Python's needs no build for that."""
        if lang != "python":
            folder = self.make(lang, "classify", example(lang))
            return folder / f"{folder.name}.wasm"
        tool(lang, self.folder)
        return example(lang)

    def _build(self, lang: str, folder: Path, source: Path | None) -> None:
        if not folder.exists():
            create(folder, language(lang))
        if source:
            (folder / language(lang).source).write_text(source.read_text())
        assert build(folder).messages == "", "it builds without a warning"


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = shared_folder(tmp_path_factory).with_name("functions")
    folder.mkdir(exist_ok=True)
    return Workshop(folder)
