"""Guests written for other runtimes, compiled from source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guests.build import compile_guest, shared_folder
from weft.core.limits import DirGrant, Grants

Foreign = Callable[[str], Path]


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    """``foreign("yomo_first")`` is the compiled module of guests/yomo_first.c."""
    folder = shared_folder(tmp_path_factory)
    return lambda name: compile_guest(Path(__file__).parent / "guests" / f"{name}.c", folder)


@pytest.fixture
def grants(data: Path) -> Grants:
    """The reference data as the directory ".", and models of the guest's own."""
    return Grants(dirs=(DirGrant(data, ".", writable=False),), allow=frozenset({"nn.load"}))
