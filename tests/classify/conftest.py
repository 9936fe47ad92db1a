"""Fixtures of the classifier's tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.classify.making import Write


@pytest.fixture
def document(tmp_path: Path) -> Write:
    """Write a classifier's document to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "classify.yaml"
        path.write_text(dedent(text))
        return path

    return write
