"""The interpreter of the component form, made and compiled once for all tests and processes of a run.

``WEFT_TEST_CACHE`` names a folder that keeps it from one run to the next.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.guests.build import shared_folder
from weft.core.errors import UnavailableError
from weft.toolchains.componentize import find_componentize, interpreter
from weft.wasm.source import load


@pytest.fixture(scope="session")
def python_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for WEFT_CACHE and WEFT_CONFIG in which the interpreter is ready."""
    try:
        find_componentize("tests")
    except UnavailableError as error:
        missing("componentize-py", error.cure)
    given = os.environ.get("WEFT_TEST_CACHE")
    folder = Path(given) if given else shared_folder(tmp_path_factory).with_name("python")
    folder.mkdir(exist_ok=True, parents=True)
    with pytest.MonkeyPatch.context() as patch, (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setenv("WEFT_CACHE", str(folder))
        patch.setenv("WEFT_CONFIG", str(folder))
        load(interpreter())
    return folder


@pytest.fixture
def python_ready(python_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python functions start at once."""
    monkeypatch.setenv("WEFT_CACHE", str(python_cache))
    monkeypatch.setenv("WEFT_CONFIG", str(python_cache))
