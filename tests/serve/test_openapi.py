"""The OpenAPI document says what is served, and the server does what it says."""

from __future__ import annotations

import html
import logging
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import APIOperation, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route
from wasmtime import wat2wasm

from tests.cli.conftest import ECHO
from tests.serve.conftest import Serve
from weft.flow.functions import FunctionOptions
from weft.serve.app import Face
from weft.serve.functions.rest import FunctionsFace
from weft.serve.functions.service import Functions
from weft.serve.functions.spec import FunctionSpec
from weft.serve.oip.rest import OpenInference
from weft.serve.pages.face import Pages
from weft.serve.pages.openapi import openapi_document, operations
from weft.serve.server import Server
from weft.serve.wasmcloud.face import WasmCloud


def all_faces(function: Path) -> list[Face]:
    functions = Functions()
    functions.add("echo", FunctionSpec(function, FunctionOptions()))
    return [OpenInference(), FunctionsFace(functions), WasmCloud()]


@pytest.fixture
def server(serve: Serve, tiny: Callable[..., Path], tmp_path: Path) -> Server:
    function = tmp_path / "echo.wasm"
    function.write_bytes(wat2wasm(ECHO))
    faces = all_faces(function)
    server = serve({"mobilenet": tiny()}, faces=[Pages(faces), *faces])
    while httpx.get(f"{server.url}/readyz").status_code != 200:
        pass
    return server


def real_operations(server: Server) -> set[tuple[str, str]]:
    return {
        (method, re.sub(r"{(\w+):\w+}", r"{\1}", route.path))
        for face in server.app.faces
        for route in face.routes(server.services)
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }


def expected_operations(server: Server) -> set[tuple[str, str]]:
    """The routes, and what one face finds by itself."""
    ways = ("", "/preprocess", "/preprocess/rgb8", "/matches", "/matches/rgb8")
    finder = next(face for face in server.app.faces if isinstance(face, WasmCloud))
    assert all(finder.find(server.services, "POST", f"/mobilenet{way}") for way in ways)
    return real_operations(server) | {(verb, "/{model}" + way) for way in ways for verb in ("POST", "PUT")}


def test_the_document_is_right_and_forgets_no_route(server: Server) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    described = {(verb, path) for verb, path, _ in operations(document)}
    assert described == expected_operations(server)


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(server: Server) -> None:
    found = list(operations(openapi_document([face.openapi() for face in server.app.faces])))
    names = [told["operationId"] for _, _, told in found]
    assert len(set(names)) == len(names) == len(found)
    assert all(told["summary"] and told["tags"] for _, _, told in found)


def test_the_page_shows_every_operation_and_loads_nothing(server: Server) -> None:
    answer = httpx.get(f"{server.url}/docs")
    text = answer.text
    for verb, path, _ in operations(httpx.get(f"{server.url}/openapi.json").json()):
        assert f"<b>{verb}</b> {path}</h3>" in text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script|src=|@import|url\(|<link", text)
    assert re.findall(r'href="([^"]*)"', text) == ["/openapi.json"]


def test_the_curl_of_the_page_works(server: Server) -> None:
    text = httpx.get(f"{server.url}/docs").text
    (line,) = re.findall(r"<pre>(curl [^<]*/v2/models/mobilenet/infer)</pre>", text)
    host, port = server.address
    words = shlex.split(html.unescape(line).replace("localhost:8078", f"{host}:{port}"))
    done = subprocess.run([*words, "--silent"], capture_output=True, check=False, text=True)
    assert '"data":[1.0,2.0,3.0,4.0]' in done.stdout


CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 8
NAMES = {"model": "mobilenet", "version": "1", "name": "echo", "region": "r"}


def probe(strategy: SearchStrategy[schemathesis.Case], session: requests.Session) -> Counter[int]:
    """Asks some times, and counts the statuses. AssertionError or FailureGroup for what the document does not say."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(session=session, timeout=20)
        statuses[answer.status_code] += 1
        assert answer.status_code not in (500, 501, 502), answer.text
        case.validate_response(answer, checks=CHECKS)

    ask()
    return statuses


def strategies(operation: APIOperation) -> Iterator[SearchStrategy[schemathesis.Case]]:
    """Right requests for what is there; the same with any names; requests that are wrong."""
    names = {key: value for key, value in NAMES.items() if f"{{{key}}}" in operation.path}
    known = {"path_parameters": names} if names else {}
    yield operation.as_strategy(GenerationMode.POSITIVE, **known)
    if names:
        yield operation.as_strategy(GenerationMode.POSITIVE)
    if operation.body:
        yield operation.as_strategy(GenerationMode.NEGATIVE, **known)


def test_the_server_does_what_its_document_says(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("weft"), "level", logging.WARNING)  # which one operation changes
    schema = schemathesis.openapi.from_dict(httpx.get(f"{server.url}/openapi.json").json())
    schema.config.update(base_url=server.url)
    every = [result.ok() for result in schema.get_all_operations()]
    assert {(one.method.upper(), one.path) for one in every} == expected_operations(server)
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    with requests.Session() as session:
        for operation in sorted(every, key=lambda one: one.path.endswith("/unload")):  # the model is gone after that
            for strategy in strategies(operation):
                try:
                    statuses += probe(strategy, session)
                except (AssertionError, FailureGroup) as error:
                    wrong.append(f"{operation.label}: {error}")
    assert not wrong, "\n\n".join(wrong)
    assert statuses[200] > len(every) // 2
    assert statuses[400] > len(every)
    assert statuses[404] > len(every)
