"""``weft validate``: a pipeline's document and everything it names, without running it."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from weft.cli import options

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def validate(pipeline: str, /, *, json: Switch = False) -> int:
    """Check a pipeline: the document, the files it names, its modules and its models. Nothing is run.

        weft validate pipeline.yaml

    All mistakes are reported at once, each with its line, its path in the document, and what was probably meant.

    Parameters
    ----------
    pipeline
        The pipeline's .yaml.
    json
        Print the result as JSON.
    """
    from weft.cli.output import print_json
    from weft.flow.validate import validate_pipeline

    path = options.existing(pipeline, "pipeline")
    checked = validate_pipeline(path)
    if json:
        warnings = [
            {"line": warning.line, "path": warning.path, "message": warning.message, "cure": warning.cure}
            for warning in checked.warnings
        ]
        print_json({"pipeline": checked.name, "stages": checked.stages, "warnings": warnings})
        return 0
    for warning in checked.warnings:
        sys.stdout.write(f"warning: {warning}\n")
    sys.stdout.write(f"{path}: right; {', '.join(f'{count} {kind}' for kind, count in checked.stages.items())}\n")
    return 0
