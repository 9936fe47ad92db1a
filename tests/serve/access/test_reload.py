"""An access document that changes while the server runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.serve.access.letting import let_in
from weft.core.errors import IdentityError, RateLimitError
from weft.serve.access.current import Watch, kept_current
from weft.serve.access.documented import DocumentAccess
from weft.serve.access.keys import new_key
from weft.serve.access.tokens import tokens_of
from weft.serve.caller import OpenAccess
from weft.spec.rights import parse_rights

ISSUER = "{name: a, issuer: https://i.example, audience: weft, algorithms: [ES256], jwks: https://i.example/keys}"
WRONG = "keys: []\nrights:\n  - {caller: user, infer: [everything], rat: 3}\n"


class Written:
    """A document in a file, and what it says now."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access.yaml"
        self.key, self.key_line = new_key("user")
        self._changes = 0
        self.put(self.text("infer: [model/a]"))
        self.access = DocumentAccess.load(self.path)

    def text(self, rights: str) -> str:
        return f"keys:\n  {self.key_line}\nrights:\n  - {{caller: user, {rights}}}\n"

    def put(self, text: str) -> None:
        """In the place of the old, as a file of another time."""
        beside = self.path.with_suffix(".new")
        beside.write_text(text)
        self._changes += 1
        os.utime(beside, (self._changes, self._changes))
        beside.rename(self.path)

    def may(self, model: str) -> bool:
        return self.admit().may("infer", "model", model)

    def admit(self):
        return asyncio.run(let_in(self.access, {"x-api-key": self.key}, "127.0.0.1"))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def test_a_changed_file_is_read_once_it_is_whole(written: Written):
    watch = Watch(written.access)
    assert [watch.look() for _ in range(3)] == [False, False, False]
    written.put(written.text("infer: [model/b]"))
    assert not watch.look()  # seen for the first time: it may still be written
    assert written.may("a")
    assert watch.look()
    assert (written.may("a"), written.may("b")) == (False, True)
    assert not watch.look()
    assert written.access.reloads == {"loaded": 1}


def test_what_changed_before_the_first_look_is_seen(written: Written):
    written.put(written.text("infer: [model/b]"))
    watch = Watch(written.access)
    assert [watch.look(), watch.look()] == [False, True]
    assert written.may("b")


def test_a_wrong_document_is_refused_with_all_its_mistakes(written: Written, caplog: pytest.LogCaptureFixture):
    watch = Watch(written.access)
    written.put(WRONG)
    assert [watch.look(), watch.look(), watch.look()] == [False, True, False]  # refused once, not every second
    assert written.may("a")
    assert "everything" in caplog.text
    assert "rat" in caplog.text
    written.path.unlink()
    assert [watch.look(), watch.look()] == [False, True]
    assert written.may("a")
    assert written.access.reloads == {"refused": 2}
    written.put(written.text("infer: [model/b]"))
    assert [watch.look(), watch.look()] == [False, True]
    assert written.may("b")


def test_a_key_that_is_taken_out_is_not_known_any_more(written: Written):
    written.admit()
    written.put(written.text("infer: [model/a]").replace(written.key_line, new_key("user")[1]))
    assert written.access.reload()
    with pytest.raises(IdentityError):
        written.admit()


def test_a_reload_gives_nobody_a_full_bucket(written: Written):
    limited = written.text("infer: [model/a], rate: 0.0001, burst: 1")
    written.put(limited)
    written.access.reload()
    written.admit()
    written.access.reload()
    with pytest.raises(RateLimitError):
        written.admit()
    written.put(limited.replace("burst: 1", "burst: 2"))
    written.access.reload()
    written.admit()  # another rate begins anew


def test_an_issuers_keys_are_kept_and_a_changed_issuer_begins_anew():
    def spec(issuer: str):
        return parse_rights(f"tokens:\n  - {issuer}\nrights:\n  - {{caller: a/*, infer: ['*']}}\n")

    first = tokens_of(spec(ISSUER))
    assert tokens_of(spec(ISSUER), first).key_sets == first.key_sets
    other = tokens_of(spec(ISSUER.replace("ES256", "RS256")), first)
    assert other.key_sets != first.key_sets


def test_access_without_a_file_needs_nothing(written: Written):
    before = signal.getsignal(signal.SIGHUP)
    with kept_current(OpenAccess()):
        assert signal.getsignal(signal.SIGHUP) is before
    with kept_current(written.access):
        assert signal.getsignal(signal.SIGHUP) is not before
    assert signal.getsignal(signal.SIGHUP) is before


def test_a_server_follows_its_document(written: Written, tiny: Callable[..., Path]):
    words = ["serve", "--port", "0", "--json", "--model", f"net={tiny()}", "--access", str(written.path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "weft", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        url = json.loads(process.stdout.readline())["url"]

        def told(what: str) -> str:
            assert process.stderr is not None
            return next(line for line in process.stderr if re.search(what, line))

        def ask() -> int:
            return httpx.get(f"{url}/v2/models/net", headers={"x-api-key": written.key}).status_code

        told("'net/1' is ready")
        assert ask() == 403
        written.put(written.text("read: [model/net]"))
        told("was read again")
        assert ask() == 200
        written.put(WRONG)
        assert "everything" in told("refused, and the old one stays")
        assert ask() == 200
        process.send_signal(signal.SIGHUP)
        told("refused, and the old one stays")
        assert ask() == 200
    finally:
        process.kill()
        process.communicate()
