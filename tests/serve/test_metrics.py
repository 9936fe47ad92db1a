"""What ``/metrics`` tells: Triton's names, ours, and that the numbers are right."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.guests.build import GUESTS, compile_guest, shared_folder
from tests.serve.conftest import Serve
from tests.serve.functions import PATIENCE_S, spec
from tests.serve.gated import GatedProvider
from weft.flow.metric import Metric, Sample
from weft.serve import metrics
from weft.serve.functions.rest import FunctionsFace
from weft.serve.functions.service import Functions
from weft.serve.oip.rest import OpenInference
from weft.serve.pages.face import Pages
from weft.serve.server import Server

ASKED = {"inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP32", "data": list(range(8))}]}
TRITON = (
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_input_duration_us",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_compute_output_duration_us",
    "nv_inference_pending_request_count",
)


@pytest.fixture
def server(serve: Serve, tiny: Callable[..., Path]) -> Server:
    faces = [OpenInference()]
    return serve({"net": tiny()}, faces=[Pages(faces), *faces], max_body=1000)


def read(server: Server) -> dict[str, float]:
    answer = httpx.get(f"{server.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            bare = (
                sample.name.removesuffix("_total") if family.name.startswith("nv_") else sample.name
            )  # the parser adds it
            name = f"{bare}{sorted(sample.labels.values())}"
            assert name not in found
            found[name] = sample.value
    return found


def test_a_triton_dashboard_finds_its_names_as_they_are(server: Server) -> None:
    text = httpx.get(f"{server.url}/metrics").text
    for name in TRITON:
        assert f'\n{name}{{model="net",version="1"' in text, name
        assert f"# TYPE {name} {'gauge' if 'pending' in name else 'counter'}\n" in text


def test_the_numbers_are_right(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        for _ in range(3):
            client.post("/v2/models/net/infer", json=ASKED)
        client.post("/v2/models/net/infer", content=b"x" * 2000)
        client.post("/v2/models/net/infer", json={"inputs": []})
        client.get("/nothing")
    found = read(server)
    model = "['1', 'net']"
    assert found[f"nv_inference_request_success{model}"] == 3
    assert found[f"nv_inference_count{model}"] == 3
    assert found[f"nv_inference_exec_count{model}"] == 3
    assert found[f"nv_inference_pending_request_count{model}"] == 0
    assert found[f"weft_serve_model_ready{model}"] == found["weft_serve_ready[]"] == 1
    assert found[f"weft_serve_model_bytes{model}"] == found["weft_serve_models_bytes[]"] > 0
    assert found["weft_serve_requests_total['200', 'http', 'infer']"] == 3
    assert found["weft_serve_requests_total['400', 'http', 'infer']"] == 1
    assert found["weft_serve_requests_total['404', 'http', 'other']"] == 1
    assert found["weft_serve_requests_total['413', 'http', 'other']"] == 1
    assert found["weft_serve_refused_total['body_too_large']"] == 1
    assert found["weft_serve_request_duration_seconds_count['http', 'infer']"] == 4
    assert found["weft_serve_request_duration_seconds_bucket['+Inf', 'http', 'infer']"] == 4
    assert found["weft_serve_request_duration_seconds_sum['http', 'infer']"] > 0
    assert found["weft_serve_bytes_received_total['http', 'infer']"] > 100
    assert found["weft_serve_bytes_sent_total['http', 'infer']"] > 100
    assert "process_resident_memory_bytes[]" in found


@pytest.fixture
def hosting(
    serve: Serve, tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Server, Functions]:
    functions = Functions()
    module = compile_guest(GUESTS / "serving.c", shared_folder(tmp_path_factory))
    functions.add("f", spec(module, max_body=50, queue=1))
    faces = [OpenInference(), FunctionsFace(functions)]
    server = serve({"net": tiny()}, faces=[Pages(faces), *faces])
    assert functions.wait(PATIENCE_S)
    return server, functions


def test_functions_have_their_rows(hosting: tuple[Server, Functions]) -> None:
    server, _ = hosting
    asked = ((b"good", 200), (b"two", 200), (b"trap", 500), (b"x" * 60, 413))
    with httpx.Client(base_url=server.url) as client:
        assert [client.post("/functions/f", content=body).status_code for body, _ in asked] == [row[1] for row in asked]
    found = read(server)
    assert found["weft_serve_function_calls_total['f', 'succeeded']"] == 2
    assert found["weft_serve_function_calls_total['f', 'failed']"] == 1
    assert found["weft_serve_function_frames_total['f']"] == 3
    assert found["weft_serve_function_failures_total['GuestTrap', 'f']"] == 1
    assert found["weft_serve_function_failures_total['SizeError', 'f']"] == 1
    assert found["weft_serve_function_duration_seconds_count['f']"] == 3  # what was refused for its body never began
    assert found["weft_serve_function_duration_seconds_bucket['+Inf', 'f']"] == 3
    assert found["weft_serve_function_duration_seconds_sum['f']"] > 0
    assert found["weft_serve_function_waiting_calls['f']"] == found["weft_serve_function_running_calls['f']"] == 0
    assert found["weft_serve_function_ready['f']"] == 1


def test_functions_tell_what_is_under_way(hosting: tuple[Server, Functions], provider: GatedProvider) -> None:
    server, functions = hosting
    provider.close_gate()
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/functions/f", content=b"ask")
        provider.wait_entered()
        second = pool.submit(client.post, "/functions/f", content=b"good")
        while not functions.get("f").waiting:
            pass
        assert client.post("/functions/f", content=b"good").status_code == 503
        found = read(server)
        provider.gate.set()
        assert [first.result(PATIENCE_S).status_code, second.result(PATIENCE_S).status_code] == [200, 200]
    assert found["weft_serve_function_running_calls['f']"] == found["weft_serve_function_waiting_calls['f']"] == 1
    assert found["weft_serve_function_calls_total['f', 'refused']"] == 1
    assert found["weft_serve_function_failures_total['BusyError', 'f']"] == 1
    assert found["weft_serve_function_duration_seconds_count['f']"] == 0
    assert read(server)["weft_serve_function_duration_seconds_count['f']"] == 2


def test_every_metric_is_declared_once_and_has_its_help() -> None:
    names = [metric.name for metric in metrics.METRICS]
    assert len(set(names)) == len(names)
    assert set(TRITON) <= set(names)
    assert all(metric.help.endswith(".") for metric in metrics.METRICS)


def test_names_are_written_so_that_they_can_be_read() -> None:
    strange = 'a"b\\c\nd'
    text = metrics.text([Sample(Metric("m", "gauge", "Help.", ("x",)), (strange,), 0.5)]).decode()
    (family,) = text_string_to_metric_families(text)
    assert (family.samples[0].labels, family.samples[0].value) == ({"x": strange}, 0.5)


def test_health(server: Server) -> None:
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"ready": True}
    httpx.post(f"{server.url}/v2/repository/models/net/unload")
    server.services.models.version("net").reason = "broken"
    answer = httpx.get(f"{server.url}/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    assert httpx.get(f"{server.url}/healthz").status_code == 200
