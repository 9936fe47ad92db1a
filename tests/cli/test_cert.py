"""``weft cert``: what a device can be called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from weft.stream import credentials


@pytest.fixture(autouse=True)
def _own_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("WEFT_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    credentials.authority()


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("cam 1", "a letter or digit first: weft cert cam-1\n"),
        ("../cam", "a letter or digit first: weft cert cam\n"),
        ("*", "a letter or digit first\n"),
        ("", "a letter or digit first\n"),
        ("\x1b[2Jcam", "weft cert 2Jcam\n"),
        ("a" * 65, f"weft cert {'a' * 64}\n"),
    ],
)
def test_a_name_that_would_not_do_in_rules_and_files_is_refused(
    weft: Cli, tmp_path: Path, name: str, cure: str
) -> None:
    before = sorted(tmp_path.iterdir())
    done = weft("cert", name)
    assert (done.code, "is no device's name" in done.err) == (64, True)
    assert "\x1b" not in done.err
    assert done.err.endswith(cure)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["camera-1", "north.example.com", "edge_2", "7"])
def test_a_name_of_letters_digits_and_signs_is_taken(weft: Cli, tmp_path: Path, name: str) -> None:
    assert weft("cert", name).code == 0
    assert (tmp_path / f"{name}.pem").is_file()
