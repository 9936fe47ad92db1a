"""``weft validate``: a document and everything it names, without running it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weft.cli import options

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def validate(document: str, /, *, json: Switch = False) -> int:
    """Check a pipeline or a classifier: the document, the files it names, its modules and its models. Or access rules.

        weft validate pipeline.yaml
        weft validate classify.yaml
        weft validate rules.yaml
        weft validate access.yaml

    All mistakes are reported at once, each with its line, its path in the document, and what was probably meant.
    No frame is taken; a classifier's model is loaded, and tried on a grey picture where its document leaves
    something open.

    Parameters
    ----------
    document
        The .yaml of a pipeline, a classifier, access rules of a site or of a server.
    json
        Print the result as JSON.
    """
    from weft.spec.kind import file_kind

    path = options.existing(document, "document")
    checks = {"pipeline": _pipeline, "classifier": _classifier, "access": _access, "rights": _rights, "policy": _policy}
    return checks[file_kind(path)](path, json)


def _access(path: Path, as_json: bool) -> int:
    from weft.cli.output import print_json
    from weft.spec.access import load_access

    count = len(load_access(path).rules)
    if as_json:
        print_json({"rules": count})
    else:
        sys.stdout.write(f"{path}: right; {count} rules\n")
    return 0


def _policy(path: Path, as_json: bool) -> int:
    from weft.artifacts.policy import load_policy
    from weft.cli.output import print_json

    spec = load_policy(path).spec
    counts = {"signers": len(spec.signers), "artifacts": len(spec.artifacts)}
    if as_json:
        print_json({**counts, "otherwise": spec.otherwise})
    else:
        rules = f"{counts['artifacts']} rule{'' if counts['artifacts'] == 1 else 's'}"
        sys.stdout.write(f"{path}: right; {rules}; otherwise {spec.otherwise}\n")
    return 0


def _rights(path: Path, as_json: bool) -> int:
    from weft.cli.output import print_json
    from weft.spec.rights import load_rights

    found = load_rights(path)
    counts = {"keys": len(found.keys), "tokens": len(found.tokens), "rights": len(found.rights)}
    if as_json:
        print_json(counts)
    else:
        sys.stdout.write(f"{path}: right; {', '.join(f'{count} {kind}' for kind, count in counts.items())}\n")
    return 0


def _classifier(path: Path, as_json: bool) -> int:
    from weft.cli.classify import described
    from weft.cli.output import print_json
    from weft.core.text import visible

    found = described(path)
    if as_json:
        print_json(found)
    else:
        sys.stdout.write(visible(f"{path}: right; takes {found['input']}; gives {found['output']}") + "\n")
    return 0


def _pipeline(path: Path, as_json: bool) -> int:
    from weft.cli.output import print_json
    from weft.flow.validate import validate_pipeline

    checked = validate_pipeline(path)
    if as_json:
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
