"""LitServe: ``python -m bench.others.litserve_server PORT MODEL LABELS THREADS``. It takes bytes as forms do."""

import sys
from typing import Any

import litserve
from fastapi import Request, Response

from bench.others.work import Classifier

FIELD = "content"


class Tensor(litserve.LitAPI):
    """Scores of a tensor."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.classifier = Classifier(sys.argv[2], sys.argv[3], int(sys.argv[4]))

    def decode_request(self, request: Request) -> bytes:  # the framework looks at the annotation, and gives the form
        """The bytes of the form's only file."""
        found: bytes = request[FIELD].file.read()
        return found

    def predict(self, given: bytes) -> Any:
        """The scores."""
        return self.classifier.scores_of_bytes(given)

    def encode_response(self, output: Any) -> Any:
        """As bytes."""
        return Response(output, media_type="application/octet-stream")


class Picture(Tensor):
    """Classes of a JPEG."""

    def predict(self, given: bytes) -> Any:
        """The best classes."""
        return self.classifier.matches(given)

    def encode_response(self, output: Any) -> Any:
        """As JSON."""
        return output


if __name__ == "__main__":
    faces = [Tensor(api_path="/tensor"), Picture(api_path="/picture")]
    server = litserve.LitServer(faces, accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
