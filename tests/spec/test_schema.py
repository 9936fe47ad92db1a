from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from weft.spec.schema import pipeline_schema


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield f"{path}.{name}", value
        for key, value in schema.items():
            yield from properties(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for item in schema:
            yield from properties(item, path)


def test_every_field_is_described():
    found = dict(properties(pipeline_schema()))
    assert len(found) > 60
    assert not [path for path, value in found.items() if len(value.get("description", "")) < 8]


def test_every_part_is_described_and_closed():
    for name, part in pipeline_schema()["$defs"].items():
        assert part.get("description"), name
        assert part["additionalProperties"] is False, name


def test_the_schema_shows_what_people_may_write():
    schema = pipeline_schema()
    function = schema["$defs"]["FunctionSpec"]["properties"]
    assert {"const": "skip"} in function["on_error"]["anyOf"] or "enum" in json.dumps(function["on_error"])
    assert {"type": "string"} in function["models"]["additionalProperties"]["anyOf"]
    assert {"type": "string"} in schema["$defs"]["Limits"]["properties"]["memory"]["anyOf"]
    assert json.loads(json.dumps(schema)) == schema


def test_pydantic_is_not_loaded_by_the_package():
    code = "import sys, weft, weft.core.limits; sys.exit('pydantic' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
