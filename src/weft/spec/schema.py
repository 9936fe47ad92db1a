"""JSON Schema of the documents, for editors."""

from __future__ import annotations

from typing import Any

from weft.spec.pipeline import PipelineSpec


def pipeline_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a pipeline document."""
    schema = PipelineSpec.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Weft pipeline"}
