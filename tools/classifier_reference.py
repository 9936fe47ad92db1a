"""The reference of the classifier's document, from the models that check it."""

from __future__ import annotations

from tools.pipeline_reference import Section, reference_of
from weft.spec import classify

SECTIONS: tuple[Section, ...] = (
    ("The document", "", (classify.ClassifierSpec,)),
    ("The model", "`model:`", (classify.ClassifierModel,)),
    ("The input", "`input:`", (classify.ClassifierInput,)),
    ("The output", "`output:`", (classify.ClassifierOutput,)),
    ("Labels", "`label:` of the output.", (classify.Label,)),
)


def reference() -> str:
    """All sections as Markdown, headings from the third level down."""
    return reference_of(SECTIONS)
