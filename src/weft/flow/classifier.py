"""Classifiers described by a document: no code at all.

The way of a frame: picture → input tensor → model → scores → the best labels, as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weft.core.clock import monotonic
from weft.core.errors import DocumentError, TimeLimitError, UsageError, WeftError
from weft.core.files import readable_name
from weft.core.frame import Frame
from weft.core.model import Model, ModelInfo
from weft.core.picture import Picture
from weft.core.protocols import Terminal
from weft.core.tensor import Tensor
from weft.flow.classifier_input import InputPlan, plan_input
from weft.flow.classifier_mistakes import Mistakes, Wrong
from weft.flow.classifier_output import Best, OutputPlan, plan_output
from weft.flow.functions import FunctionOptions, models
from weft.media.images import picture_from_array, picture_of

if TYPE_CHECKING:
    from weft.spec.classify import ClassifierSpec
    from weft.spec.document import Mistake

GREY = 128
"""The picture a model is tried on, where its document and shapes leave something open."""

_OURS = {"name", "limits", "outputs", "folder", "policy", "trust", "trace"}
"""What may be said of a classifier from outside; its document says the rest."""


class Classifier:
    """A model that names what is in a picture (a :class:`weft.core.protocols.Function`).

    It is loaded once; each handler has an input buffer of its own.
    """

    uses_terminal = False
    takes_frame = True

    def __init__(self, name: str, model: Model, picture: InputPlan, scores: OutputPlan, time_limit: float) -> None:
        self.name = name
        self.model = model
        self.picture = picture
        self.scores = scores
        self.best = Best(scores)
        self.time_limit = time_limit

    def instance(self, terminal: Terminal | None = None) -> ClassifierHandler:
        """A handler with a buffer of its own, for one thread at a time."""
        return ClassifierHandler(self)

    def described(self) -> dict[str, str]:
        """What its document and its model come to, for people."""
        info = self.model.info
        return {
            "classifier": self.name,
            "model": f"{info.name} ({info.format})",
            "engine": f"{info.engine} {info.engine_version} on {info.device}, {info.precision}",
            "input": str(self.picture),
            "output": str(self.scores),
            "labels": f"{len(self.scores.names)} names" if self.scores.names else "by number",
        }


class ClassifierHandler:
    """Names what is in pictures (a :class:`weft.core.protocols.Handler`)."""

    def __init__(self, function: Classifier) -> None:
        self._function = function
        self._model = function.model
        self._input = function.picture.make()
        self._from = function.picture.port.name
        self._to = function.scores.port.name
        self._wanted = (self._to,)

    def start(self) -> None:
        """Nothing is left to do."""

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """The best labels of the frame's picture.

        Raises MediaError for what is no picture, ModelError when the engine fails, and TimeLimitError when all
        that took longer than it may: an engine cannot be interrupted, so that is only seen afterwards.
        """
        began = monotonic()
        try:
            payload = self._classify(picture_of(frame))
        except WeftError as error:
            error.at(self._function.name)
            raise
        if (taken := monotonic() - began) > self._function.time_limit:
            raise self._late(taken)
        return (frame.derive(payload, media_type="application/json", stream=""),)

    def close(self) -> None:
        """Nothing to release: the model is shared."""

    def _classify(self, picture: Picture) -> bytes:
        scores = self._model.infer({self._from: self._input.tensor(picture)}, self._wanted)[self._to]
        return self._function.best.json(scores)

    def _late(self, taken: float) -> TimeLimitError:
        limit = self._function.time_limit
        cure = "raise limits.time, or take a smaller model: what the engine does cannot be interrupted"
        return TimeLimitError(f"took {taken:.3g} s, and may take {limit:.3g} s", where=self._function.name, cure=cure)


def load_classifier(path: Path, options: FunctionOptions) -> Classifier:
    """A classifier ready to be instantiated: its document read, its model loaded, the two brought together.

    Where they leave something open (``type: auto`` of a float output, the number of classes), the model is tried
    once on a grey picture. Raises NotFoundError, InputError, ModelError, UnavailableError, UsageError, and
    DocumentError with every mistake.
    """
    from weft.flow.remote import local_classifier
    from weft.spec.classify import read_classifier

    _refuse(options, str(path))
    spec = local_classifier(read_classifier(path))
    model = models().load(spec.resolve(spec.model.path), spec.model.options())
    picture, scores = _plans(spec, model.info, str(path))
    if scores.rule is None or scores.classes is None:
        tensor = picture.make().tensor(_grey(picture))
        tried = model.infer({picture.port.name: tensor}, (scores.port.name,))[scores.port.name]
        scores = _settled(spec, scores, tried, str(path))
    name = options.name or spec.name or Path(readable_name(path)).stem
    return Classifier(name, model, picture, scores, options.limits.time)


def _refuse(options: FunctionOptions, where: str) -> None:
    default = FunctionOptions()
    names = [field.name for field in fields(options) if field.name not in _OURS]
    given = [name for name in names if getattr(options, name) not in (getattr(default, name), "auto")]
    if given:
        raise UsageError(f"{', '.join(given)}: a classifier says all in its document", where=where, cure="leave it out")


def _plans(spec: ClassifierSpec, info: ModelInfo, where: str) -> tuple[InputPlan, OutputPlan]:
    """What the document and the model say together. Raises DocumentError with what they disagree about."""
    mistakes = Mistakes()
    mistakes.attempt(lambda: _check_format(spec, info))
    picture = mistakes.attempt(lambda: plan_input(spec.input, info.inputs))
    scores = mistakes.attempt(lambda: plan_output(spec.output, info.outputs, spec.folder))
    if mistakes.found or picture is None or scores is None:
        raise _document_error(spec, mistakes.found, where)
    return picture, scores


def _settled(spec: ClassifierSpec, scores: OutputPlan, tried: Tensor, where: str) -> OutputPlan:
    try:
        return scores.settled(tried)
    except Wrong as wrong:
        raise _document_error(spec, wrong.mistakes, where) from None


def _check_format(spec: ClassifierSpec, info: ModelInfo) -> None:
    said, found = spec.model.type, info.format
    if said is not None and said != found and (said, found) != ("tensorflow", "savedmodel"):
        raise Wrong((("model", "type"), f"is {said}, but the model is {found}", f"say {found}, or leave it out"))


def _document_error(spec: ClassifierSpec, mistakes: Sequence[Mistake], where: str) -> DocumentError:
    return DocumentError([spec.problem(*mistake) for mistake in mistakes], where=where)


def _grey(picture: InputPlan) -> Picture:
    return picture_from_array(np.full((picture.height, picture.width), GREY, np.uint8))
