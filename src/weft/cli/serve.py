"""``weft serve``: models and functions over HTTP, models over gRPC."""

from __future__ import annotations

import sys
from json import dumps
from threading import Event
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from weft.cli.serve_functions import ServedFunctions
from weft.cli.serve_grpc import GrpcPort
from weft.cli.serve_options import Listening, ServedModels

if TYPE_CHECKING:
    from weft.serve.app import Face
    from weft.serve.server import Server


def serve(
    *,
    models: ServedModels = ServedModels(),
    functions: ServedFunctions = ServedFunctions(),
    listening: Listening = Listening(),
    grpc: GrpcPort = GrpcPort(),
    log: Literal["auto", "text", "json"] = "auto",
    log_level: Literal["debug", "info", "warning", "error"] = "info",
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Serve models and functions over HTTP, and models over gRPC, until Ctrl-C.

        weft serve --model mobilenet=mobilenetv2.onnx --labels mobilenet=imagenet.txt
        weft serve --model net/1=old.onnx --model net/2=new.onnx --port 8000
        weft serve --model net=net.onnx --max-batch 8 --batch-window 2ms --memory 2GiB
        weft serve --function blur=blur.wasm --function detect=pipeline.yaml
        weft serve --model net=net.onnx --host 0.0.0.0 --access access.yaml --tls-cert cert.pem --tls-key key.pem
        weft serve --model net=net.onnx --grpc-port 8001

    Its address is printed when requests are answered; `/v2/health/ready` tells when all models are loaded. Stopped, it
    takes nothing more and finishes what it took.

    Parameters
    ----------
    log
        The form of the log on standard error; auto is text.
    log_level
        What is logged.
    json
        Print the address as JSON, and write the log as JSON lines.
    """
    from weft.cli import logs
    from weft.cli.until import exit_code, signals
    from weft.serve.access.current import kept_current

    logs.configure(log_level, "json" if json or log == "json" else "text")
    server = _server(models, functions, listening, grpc)
    ended = Event()
    with signals(ended.set) as heard, kept_current(server.services.access):
        server.start()
        try:
            _tell(server, as_json=json)
            ended.wait()
        finally:
            server.close()
    return exit_code(heard)


def _server(models: ServedModels, functions: ServedFunctions, listening: Listening, grpc: GrpcPort) -> Server:
    from weft.core.units import parse_size
    from weft.flow.functions import models as process_models
    from weft.serve.access_log import write_line
    from weft.serve.models.service import Models
    from weft.serve.oip.rest import OpenInference
    from weft.serve.pages.face import Pages
    from weft.serve.server import Server
    from weft.serve.services import Services

    served = Models(process_models(), None if models.memory is None else parse_size(models.memory))
    models.fill(served)
    services = Services(served, listening.settings(), listening.callers())
    if listening.access_log:
        services.observers.append(write_line)
    faces: list[Face] = [OpenInference(), *functions.faces(served), *grpc.faces()]
    return Server(services, [Pages(faces), *faces])


def _tell(server: Server, *, as_json: bool) -> None:
    names, functions = server.services.models.names(), _functions(server)
    others = [face.target for face in server.app.faces if face.target]
    if as_json:
        told = {"event": "serving", "url": server.url, "models": names, "functions": functions, "others": others}
        line = dumps(told, ensure_ascii=False)
    else:
        served = ", ".join([*names, *functions]) or "nothing (--model and --function name what to serve)"
        line = f"serving {served} at {' and '.join([server.url, *others])}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _functions(server: Server) -> list[str]:
    from weft.serve.functions.rest import FunctionsFace

    faces = [face for face in server.app.faces if isinstance(face, FunctionsFace)]
    return [hosted.name for face in faces for hosted in face.functions.all()]
