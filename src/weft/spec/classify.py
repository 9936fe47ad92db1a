"""The document of a classifier: a model, the picture it takes, and what its scores mean.

::

    model: mobilenetv2.onnx
    input: {type: rgb32f, size: 224x224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
    output: {label: imagenet.txt, top: 5}

What the model's own ports say may be left out. File names are relative to the document's folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from weft.core.errors import DocumentError
from weft.core.model import Layout
from weft.spec.checks import check_file
from weft.spec.classify_values import (
    InputSize,
    Mean,
    Std,
    format_word,
    layout_word,
    pixel_word,
    word,
)
from weft.spec.document import Document, Mistake, parse_document
from weft.spec.function import ModelFile
from weft.spec.kind import CALLED, other_kind
from weft.spec.reader import Parsed, read, read_file
from weft.spec.values import AsTuple, FilePath, Part, StageName, Text, mistake

PixelType = Literal["rgb8", "rgb32f", "bgr8", "bgr32f", "luma8", "luma32f"]
ScoreType = Literal["auto", "softmax", "scores", "u8", "i8", "f16", "f32"]
MAX_TOP = 1000
MAX_NAMES = 10_000


class ClassifierModel(ModelFile):
    """The model. A path alone is short for `{path: …}`."""

    type: Annotated[
        Literal["onnx", "tflite", "tensorflow", "savedmodel", "openvino"] | None, BeforeValidator(format_word)
    ] = Field(default=None, description="Its format, which its bytes tell anyway: one that is not so is a mistake.")


class ClassifierInput(Part):
    """The picture as the model takes it."""

    name: str | None = Field(
        default=None, min_length=1, description="The model's input; needed only where it has several."
    )
    size: InputSize | None = Field(
        default=None,
        description="The picture's size: `224x224` (width x height), `[224, 224]`, or `224` for a square. "
        "Needed only where the model leaves it open.",
    )
    type: Annotated[PixelType | None, BeforeValidator(pixel_word)] = Field(
        default=None,
        description="What the numbers are. `rgb8`, `bgr8` and `luma8`: 0 to 255, also in a tensor of floats. `rgb32f`, "
        "`bgr32f` and `luma32f`: 0 to 1, less `mean`, over `std`. `luma` is BT.601 grey. If absent, by the model: "
        "floats get the 32f type, integers the 8-bit one, one channel is luma.",
    )
    layout: Annotated[Layout | None, BeforeValidator(layout_word)] = Field(
        default=None,
        description="`nchw` (channels first) or `nhwc`; needed only where the model's shape leaves it open.",
    )
    mean: Mean | None = Field(
        default=None,
        description="What is subtracted, in units of 0 to 1: one number, or one per channel in the order of the type.",
    )
    std: Std | None = Field(
        default=None,
        description="What is divided by after that, in the same units; `mean` and `std` go with 32f types.",
    )


class Label(Part):
    """The names of the classes. A path alone is short for `{path: …}`, a list for `{names: […]}`."""

    path: FilePath | None = Field(default=None, description="A UTF-8 text file with a name per line, class 0 first.")
    names: Annotated[tuple[Text, ...], AsTuple] | None = Field(
        default=None, min_length=1, max_length=MAX_NAMES, description="The names themselves, in place of a file."
    )
    offset: int = Field(
        default=0,
        ge=-MAX_NAMES,
        le=MAX_NAMES,
        description="The class that the first name is for: `1` where class 0 is a background without a name, `-1` "
        "where the file names a background that the model does not have.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Label:
        if (self.path is None) == (self.names is None):
            what = "has neither `path` nor `names`" if self.path is None else "has both `path` and `names`"
            raise mistake(what, "give one of them")
        return self


def _short_model(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _short_label(value: Any) -> Any:
    if isinstance(value, str):
        return {"path": value}
    return {"names": value} if isinstance(value, list) else value


class ClassifierOutput(Part):
    """The model's scores, and what is told of them."""

    name: str | None = Field(
        default=None, min_length=1, description="The model's output; needed only where it has several."
    )
    type: Annotated[ScoreType, BeforeValidator(word)] = Field(
        default="auto",
        description="`scores`: the values as they are. `softmax`: made probabilities. `auto`: whichever fits what the "
        "model makes of a grey picture when it is loaded. `u8`, `i8`, `f16`, `f32`: as `auto`, for an output that must "
        "be of this dtype. Quantised scores are turned into numbers first.",
    )
    label: Annotated[
        Label | None, BeforeValidator(_short_label, json_schema_input_type=str | list[str] | Label | None)
    ] = Field(default=None, description="The names of the classes; without any, classes go by number.")
    top: int = Field(default=5, ge=1, le=MAX_TOP, description="How many labels are told, the best first.")
    threshold: float | None = Field(default=None, description="The least score that is told.")
    scale: float | None = Field(
        default=None, gt=0, description="Quantised scores: the value of one step, where the engine does not know it."
    )
    zero_point: int = Field(
        default=0,
        ge=-(2**31),
        le=2**31 - 1,
        description="Quantised scores: the step that stands for 0; goes with `scale`.",
    )


class ClassifierSpec(Document):
    """A model that names what is in a picture."""

    name: StageName | None = Field(default=None, description="What it is called in errors; the file's name if absent.")
    description: str = Field(default="", description="What it is for.")
    model: Annotated[ClassifierModel, BeforeValidator(_short_model, json_schema_input_type=str | ClassifierModel)] = (
        Field(description="The model.")
    )
    input: ClassifierInput = Field(default_factory=ClassifierInput, description="What the model takes.")
    output: ClassifierOutput = Field(default_factory=ClassifierOutput, description="What the model gives.")


def read_classifier(path: str | os.PathLike[str]) -> ClassifierSpec:
    """The classifier in a YAML file; the files it names must be there.

    Raises NotFoundError or InputError when the file cannot be read and DocumentError, with every mistake, when
    it is not right.
    """
    file = Path(path)
    return parse_classifier(read_file(file), where=str(file), folder=file.parent, check_files=True)


def parse_classifier(
    content: str | bytes, *, where: str = "", folder: Path = Path(), check_files: bool = False
) -> ClassifierSpec:
    """The classifier in YAML text. ``where`` names the document in errors. Raises DocumentError."""
    parsed = read(content)
    _refuse_pipeline(parsed, where)

    def files(document: Mapping[str, Any]) -> Iterator[Mistake]:
        return _files(folder, document)

    checks = [_normalisation, _quantisation, files] if check_files else [_normalisation, _quantisation]
    return parse_document(parsed, ClassifierSpec, where=where, checks=checks).placed(folder, parsed)


def _refuse_pipeline(parsed: Parsed, where: str) -> None:
    if other := other_kind(parsed, "classifier"):
        cure = "run it as a pipeline, or name a classifier's document here"
        raise DocumentError([parsed.problem((), f"is {CALLED[other]}, not a classifier", cure)], where=where)


def _normalisation(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """What type, mean and std say together. What is wrong in itself is reported by validation."""
    section = _section(document, "input")
    kind = pixel_word(section.get("type"))
    for key in ("mean", "std"):
        if section.get(key) is None or not isinstance(kind, str):
            continue
        if kind.endswith("8"):
            other = f"{kind.removesuffix('8')}32f"
            message = f"does not go with {kind}, whose numbers are 0 to 255 as they are"
            yield ("input", key), message, f"say type: {other}, whose {key} counts in units of 0 to 1"
        elif kind == "luma32f" and isinstance(section[key], list) and len(section[key]) > 1:
            yield ("input", key), f"has {len(section[key])} values, but luma32f has one channel", "give one value"


def _quantisation(document: Mapping[str, Any]) -> Iterator[Mistake]:
    section = _section(document, "output")
    if "zero_point" in section and section.get("scale") is None:
        yield ("output", "zero_point"), "says nothing without a scale", "add scale, or leave it out"


def _files(folder: Path, document: Mapping[str, Any]) -> Iterator[Mistake]:
    model, label = document.get("model"), _section(document, "output").get("label")
    yield from _named(folder, ("model",), model)
    yield from _named(folder, ("output", "label"), label)


def _named(folder: Path, path: tuple[str, ...], written: Any) -> Iterator[Mistake]:
    if isinstance(written, Mapping):
        path, written = (*path, "path"), written.get("path")
    yield from check_file(folder, path, written)


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}
