"""A router with rules and metrics, and devices with certificates, as a user types them."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams_cli.conftest import WAIT_S, Site, command, end, line_with, lines_with, start_router

PATTERN = ("source", "pattern", "--realtime", "--size", "32x24", "--fps", 20)

RULES = """
rules:
  - {certificate: camera-*, publish: [cam/*]}
  - {certificate: viewer, subscribe: [cam/*]}
  - {certificate: looker, subscribe: [roof/*]}
  - {certificate: reader, subscribe: ["**"]}
"""


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A router under ``RULES``, and files of certificates, each called after its device."""
    folder = tmp_path_factory.mktemp("ruled")
    (folder / "rules.yaml").write_text(RULES)
    start_site = start_router(folder)
    for name in ("camera-1", "camera-2", "viewer", "looker", "reader", "clerk", "auditor"):
        start_site.run("cert", name, "-o", folder / f"{name}.pem")
    end(start_site.process)
    router = start_router(folder, "--access", folder / "rules.yaml", "--metrics", "127.0.0.1:0")
    yield router
    assert end(router.process) == 130


def cert(site: Site, name: str) -> tuple[str, Path]:
    return "--cert", site.config / f"{name}.pem"


def test_devices_do_what_the_rules_allow_and_are_told_what_they_do_not(ruled: Site) -> None:
    where = re.search(r"http://\S+", line_with(ruled.process.stderr, "metrics: "))
    assert where
    _, err = ruled.run("watch", "cam/1", *cert(ruled, "clerk"), code=77)
    assert "'clerk' may not subscribe to 'cam/1'" in err
    assert "{certificate: clerk, subscribe: [cam/1]}" in err
    may_not = "'clerk' may do nothing here: no rule is for it", "'clerk' may not subscribe to 'cam/1'"
    lines_with(ruled.process.stderr, *may_not)
    _, err = ruled.run(*PATTERN, "--stream", "door", *cert(ruled, "camera-1"), code=77)
    assert "'camera-1' may not publish 'door'" in err
    line_with(ruled.process.stderr, "'camera-1' may not publish 'door'")
    sending = subprocess.Popen(
        command(*PATTERN, "--stream", "cam/1", *cert(ruled, "camera-1")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ruled.env(),
    )
    out, _ = ruled.run("watch", "**", "--count", 2, "--json", *cert(ruled, "viewer"))
    assert {json.loads(line)["stream"] for line in out.splitlines()} == {"cam/1"}
    out, _ = ruled.run("streams", "--json", *cert(ruled, "viewer"))
    assert [row["name"] for row in json.loads(out)] == ["cam/1"]
    with urllib.request.urlopen(where[0], timeout=WAIT_S) as page:
        found = page.read().decode()
    assert end(sending) == 130
    assert 'weft_router_links{certificate="camera-1"} 1.0' in found
    assert 'weft_router_links{certificate="clerk"} 0.0' in found
    assert 'weft_router_connections_total{certificate="camera-1"} 2.0' in found
    assert 'weft_router_refused_total{certificate="clerk",right="subscribe"} 1.0' in found
    assert "weft_router_renewals_total 0.0" in found  # the names were known, because they were issued here
    assert "PRIVATE" not in found


def test_a_recording_that_is_refused_leaves_no_file_behind(ruled: Site, tmp_path: Path) -> None:
    file = tmp_path / "day.weftrec"
    _, err = ruled.run("record", "cam/1", "-o", file, *cert(ruled, "clerk"), code=77)
    assert "'clerk' may not subscribe to 'cam/1'" in err
    assert not file.exists()


def test_streams_tells_what_a_certificate_may_not_see(ruled: Site) -> None:
    for name in ("auditor", "camera-2"):
        _, err = ruled.run("streams", *cert(ruled, name), code=77)
        assert f"the certificate '{name}' may not see any stream" in err
        assert f"{{certificate: {name}, subscribe: [cam/*]}}" in err
    out, _ = ruled.run("streams", *cert(ruled, "looker"))
    assert out == "nothing is published of what the certificate 'looker' may see: roof/*\n"
    assert ruled.run("streams", *cert(ruled, "reader"))[0] == "no stream is published\n"


def test_rules_with_mistakes_are_told_before_anything_is_opened(ruled: Site, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules:\n- {certificate: a, publsh: [b]}\n")
    for words in (("router", "--access"), ("watch", "x", "--listen", "quic/127.0.0.1:0", "--access"), ("validate",)):
        _, err = ruled.run(*words, tmp_path / "rules.yaml", code=78)
        assert "did you mean 'publish'?" in err
    _, err = ruled.run("router", "--listen", "tcp/127.0.0.1:0", "--access", ruled.config / "rules.yaml", code=64)
    assert "know devices by their certificates" in err
    out, _ = ruled.run("validate", ruled.config / "rules.yaml")
    assert out.endswith("right; 4 rules\n")
