"""The server people write by hand: ``python -m bench.others.fastapi_server PORT MODEL LABELS THREADS``."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from bench.others.work import Classifier


def serve(port: int, classifier: Classifier) -> None:
    """Until it is ended."""
    app = FastAPI()

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/tensor")
    async def tensor(request: Request) -> Response:
        scores = await run_in_threadpool(classifier.scores_of_bytes, await request.body())
        return Response(scores, media_type="application/octet-stream")

    @app.post("/picture")
    async def picture(request: Request) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await run_in_threadpool(classifier.matches, await request.body())
        return found

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type="text/plain")

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Classifier(sys.argv[2], sys.argv[3], int(sys.argv[4])))
