"""JSON Schema of the documents, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from weft.spec.access import AccessSpec
from weft.spec.classify import ClassifierSpec
from weft.spec.pipeline import PipelineSpec
from weft.spec.policy import PolicySpec
from weft.spec.rights import RightsSpec


def pipeline_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a pipeline document."""
    return _schema(PipelineSpec, "Weft pipeline")


def classifier_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a classifier's document."""
    return _schema(ClassifierSpec, "Weft classifier")


def access_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of access rules."""
    return _schema(AccessSpec, "Weft access rules")


def rights_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a server's access document."""
    return _schema(RightsSpec, "Weft server rights")


def policy_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a policy."""
    return _schema(PolicySpec, "Weft policy")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
