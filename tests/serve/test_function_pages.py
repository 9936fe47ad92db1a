"""What the pages about functions over HTTP and wasmCloud's routes say is done, against what they say to start."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import missing
from tests.guests.build import GUESTS, compile_guest, shared_folder
from tests.python_functions.conftest import KEPT, LONGEST
from tests.serve.conftest import Serve
from tests.serve.functions import PATIENCE_S
from weft.cli.main import make_app
from weft.cli.serve_functions import ServedFunctions
from weft.serve.functions.rest import FunctionsFace
from weft.serve.functions.service import Functions
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server
from weft.serve.wasmcloud.face import WasmCloud

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


def lines(page: str, start: str) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith(start)]


def typed(line: str, server: Server, folder: Path) -> bytes:
    """What a line of curl answers."""
    if not shutil.which("curl"):
        missing("curl", "install it")
    host, port = server.address
    words = shlex.split(line.replace("localhost:8078", f"{host}:{port}").removesuffix(" | jq"))
    done = subprocess.run([*words, "--silent", "--fail"], capture_output=True, check=False, cwd=folder)
    assert done.returncode == 0, line
    return done.stdout


@pytest.mark.timeout(LONGEST)
def test_functions_page(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WEFT_CACHE", str(KEPT / "cache"))  # the interpreter, which takes a minute to make
    monkeypatch.setenv("WEFT_CONFIG", str(KEPT / "config"))
    (upper, client) = blocks("serve-functions.md", "python")
    (tmp_path / "upper.py").write_text(upper)
    functions = Functions()
    ServedFunctions(function=[f"upper={tmp_path}/upper.py"]).fill(functions)
    server = serve({}, faces=[FunctionsFace(functions)])
    assert functions.wait(LONGEST)
    one, two, binary, structured, listed, told = (
        typed(line, server, tmp_path) for line in lines("serve-functions.md", "curl")
    )
    shown = blocks("serve-functions.md", "text")
    assert one.decode() == shown[0].strip()
    assert two.decode().strip() == shown[1].strip()
    assert binary == b"HELLO"
    assert json.loads(structured)["data"] == "HELLO"
    assert json.loads(listed)["functions"][0]["name"] == "upper"
    assert json.loads(told)["state"] == "READY"
    exec(client.replace("localhost:8078", "{}:{}".format(*server.address)), {})
    assert capsys.readouterr().out.strip() == shown[1].strip()


def test_the_document_of_the_page(serve: Serve, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory):
    (document,) = blocks("serve-functions.md", "yaml")
    (tmp_path / "functions.yaml").write_text(document)
    module = compile_guest(GUESTS / "counter.c", shared_folder(tmp_path_factory))
    shutil.copy(module, tmp_path / "count.wasm")
    functions = Functions()
    ServedFunctions(function=[f"count={tmp_path}/functions.yaml"]).fill(functions)
    made = functions.get("count").spec
    assert (made.instances, made.queue, made.options.limits.time) == (1, 16, 0.2)
    assert made.options.config == {"step": "2"}
    assert made.options.grants.state is not None
    server = serve({}, faces=[FunctionsFace(functions)])
    assert functions.wait(PATIENCE_S)
    assert httpx.post(f"{server.url}/functions/count", content=b"x").status_code == 200


def test_wasmcloud_page(serve: Serve, data: Path, tmp_path: Path):
    shutil.copy(data / "images/cat.jpg", tmp_path / "cat.jpg")
    mobilenet = ModelSpec(data / "models/mobilenetv2.onnx", labels=data / "labels/imagenet_1000.txt")
    server = serve({"mobilenetv27": mobilenet, "identity": data / "models/identity.onnx"}, faces=[WasmCloud()])
    matches, tensor = (json.loads(typed(line, server, tmp_path)) for line in lines("wasmcloud.md", "curl"))
    assert len(matches) == 5
    assert set(matches[0]) == {"label", "probability"}
    assert tensor["tensor"]["data"][:8] == [0, 0, 128, 63, 0, 0, 0, 64]


@pytest.mark.parametrize("page", ["serve-functions.md", "wasmcloud.md"])
def test_commands_are_commands(page: str, tiny: Callable[..., Path]):
    app = make_app("serve")
    found = lines(page, "weft serve")
    assert found
    for line in found:
        app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
