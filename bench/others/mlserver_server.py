"""MLServer: ``python -m bench.others.mlserver_server PORT MODEL LABELS THREADS``.

Its HTTP interface takes JSON alone. Bytes go as base64, which costs it less than numbers written out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse

from bench.others.work import Classifier


class Served(MLModel):
    """Scores of an input ``tensor``, or the classes of a ``picture``."""

    async def load(self) -> bool:
        """Load the model."""
        assert self.settings.parameters is not None
        how: Any = self.settings.parameters.extra
        self.classifier = Classifier(how["model"], how["labels"], how["threads"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One request."""
        (given,) = payload.inputs
        (body,) = Base64Codec.decode_input(given)
        if given.name == "tensor":
            output = Base64Codec.encode_output("scores", [self.classifier.scores_of_bytes(body)])
        else:
            output = StringCodec.encode_output("matches", [json.dumps(self.classifier.matches(body))])
        return InferenceResponse(model_name=self.name, outputs=[output])


async def serve(port: int, **how: Any) -> None:
    """Until it is ended."""
    ports = {"http_port": port, "grpc_port": _free_port(), "metrics_port": _free_port()}
    settings = Settings(host="127.0.0.1", debug=False, parallel_workers=1, load_models_at_startup=False, **ports)
    parameters = ModelParameters(extra=how)
    implementation = "bench.others.mlserver_server.Served"  # by name: its worker process imports it
    model = ModelSettings(name="mobilenet", implementation=implementation, parameters=parameters)
    await MLServer(settings).start([model])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), model=sys.argv[2], labels=sys.argv[3], threads=int(sys.argv[4])))
