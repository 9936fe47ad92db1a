"""Fixtures every test may use."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).parents[1]

# The same inputs each time, so that a change is what breaks a test; `make fuzz` makes up new ones. Machines are busy:
# no deadlines.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=1000)
settings.load_profile("fixed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what runs in the background; the commands that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def missing(what: str, cure: str) -> None:
    """A prerequisite is not there: a failure in CI, a skip with its reason on a laptop."""
    message = f"{what} is missing: {cure}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of reference models, pictures and the video."""
    folder = Path(os.environ.get("WEFT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "expected.json").is_file():
        missing("the reference data", "set WEFT_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """What a command sets up for Weft's log ends with its test."""
    logger = logging.getLogger("weft")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own cache, settings or state."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("WEFT_CACHE", str(base / "cache"))
    monkeypatch.setenv("WEFT_CONFIG", str(base / "config"))
    monkeypatch.setenv("WEFT_STATE", str(base / "state"))
