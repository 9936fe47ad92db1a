"""The pipe to a stdio guest, where the system has no room for one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.wasm.few_files import cure_with_few_files
from weft.core.errors import UnavailableError
from weft.wasm.stdio_pipe import Pipe


@pytest.mark.parametrize("ends", [0, 1])
def test_a_pipe_half_made_leaves_nothing_behind(tmp_path: Path, ends: int) -> None:
    assert "ulimit -n" in cure_with_few_files("pipe", ends, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_folder_for_temporary_files_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UnavailableError, match="No such file or directory") as caught:
        Pipe()
    assert "TMPDIR" in caught.value.cure
