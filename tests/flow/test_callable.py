"""``weft.load``: what is dropped is released, and no call is lost."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest

import weft
from tests.flow.actors import PATIENCE_S
from weft.core.errors import InputError, NotFoundError, UsageError
from weft.flow.functions import MAX_CONFIG_FILE, config_text

SILENT = """(module (memory (export "memory") 1) (func (export "weft_handle") (result i32) (i32.const 0)))"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "silent.wat"
    path.write_text(SILENT)
    return path


def thread_of(function: weft.LoadedFunction) -> threading.Thread:
    return next(thread for thread in threading.enumerate() if thread is function._worker._thread)


def test_a_function_that_is_dropped_takes_its_thread_with_it(module: Path) -> None:
    function = weft.load(module)
    assert function(b"x") == []
    thread = thread_of(function)
    del function
    gc.collect()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_function_that_was_closed_says_so(module: Path) -> None:
    function = weft.load(module)
    thread = thread_of(function)
    function.close()
    function.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    with pytest.raises(UsageError, match="was closed"):
        function(b"x")


def test_a_config_value_stands_for_a_file_or_for_itself(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert config_text("@labels.txt", tmp_path) == "cat\ndog\n"
    assert config_text("@@home", tmp_path) == "@home"
    assert config_text("0.5", tmp_path) == "0.5"


def test_a_config_file_that_is_gone_binary_or_huge_is_refused_and_never_cut(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_CONFIG_FILE + 1)
    with pytest.raises(NotFoundError, match="cannot be read"):
        config_text("@gone", tmp_path)
    with pytest.raises(InputError, match="no UTF-8"):
        config_text("@binary", tmp_path)
    with pytest.raises(InputError, match="at most"):
        config_text("@huge", tmp_path)
