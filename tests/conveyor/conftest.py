"""Loads the example as the package ``conveyor``, the way ``weft demo`` does from a checkout."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples" / "conveyor"

if "conveyor" not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        "conveyor", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["conveyor"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["conveyor"])
