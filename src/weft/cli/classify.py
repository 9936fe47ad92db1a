"""A classifier in the foreground: the picture on standard input, its labels on standard output."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from weft.core.frame import Frame
from weft.core.limits import Limits


def run_classifier(path: Path, limits: Limits, media_type: str, log_level: str, *, as_json: bool) -> int:
    """Name what is in the picture on standard input: lines of ``label,value``, or one JSON object.

    Raises as :func:`weft.flow.classifier.load_classifier`, and MediaError for what is no picture.
    """
    from weft.cli import logs
    from weft.cli.foreground import read_stdin, write
    from weft.flow.callable import LoadedFunction
    from weft.flow.functions import FunctionOptions, load_function

    logs.configure(log_level, "text")
    function = load_function(path, FunctionOptions(limits=limits))
    frame = Frame(read_stdin(f"weft run {path} < cat.jpg"), media_type=media_type)
    with LoadedFunction(function) as loaded:
        for result in loaded(frame):
            write(result.payload if as_json else lines(result.payload).encode(), newline=as_json)
    return 0


def lines(payload: bytes) -> str:
    """The labels of a result as CSV: ``label,value``, the best first; a label with a comma or quote in it is quoted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows((entry["label"], entry["score"]) for entry in json.loads(payload, parse_float=str)["labels"])
    return out.getvalue()


def described(path: Path) -> dict[str, str]:
    """What a classifier's document and its model come to. Raises as the loading does."""
    from weft.flow.classifier import load_classifier
    from weft.flow.functions import FunctionOptions

    return load_classifier(path, FunctionOptions()).described()
