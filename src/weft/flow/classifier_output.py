"""The output of a classifier: a model's scores, and the best of them by name."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from weft.core.dtypes import BF16, BOOL, BYTES, F16, F32, F64
from weft.core.errors import ModelError, WeftError
from weft.core.model import Port
from weft.core.tensor import Tensor
from weft.flow.classifier_labels import read_labels
from weft.flow.classifier_mistakes import Mistakes, Wrong, choose_port

if TYPE_CHECKING:
    from weft.spec.classify import ClassifierOutput

Rule = Literal["softmax", "scores"]
Scores = np.ndarray[Any, np.dtype[Any]]
FLOATS = (F16, BF16, F32, F64)

_SUM_TOLERANCE = 0.02
"""How far probabilities may add up to something else than 1: f16 and quantised ones do not add up exactly."""


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """What a model's scores mean. ``rule`` and ``classes`` are None where only an inference can tell."""

    port: Port
    rule: Rule | None
    classes: int | None
    quantization: tuple[float, int] | None
    names: tuple[str, ...]
    offset: int
    top: int
    threshold: float

    def settled(self, scores: Tensor) -> OutputPlan:
        """The same, with what an inference tells. Raises Wrong where that contradicts the document or tells nothing."""
        if not _is_list(scores.shape):
            raise _no_scores(self.port, scores.shape)
        values = self.numbers(scores)
        rule = self.rule or _rule_of(values)
        _check_classes(self, values.size)
        return replace(self, classes=values.size, rule=rule)

    def numbers(self, scores: Tensor) -> Scores:
        """The scores as a flat array of numbers, quantised ones as what they stand for.

        Raises ModelError for a tensor that is no list of scores.
        """
        if not _is_list(scores.shape):
            raise ModelError(f"gave {scores}, which is no list of scores", cure="check the model")
        values = scores.numbers().reshape(-1)
        if self.quantization is not None:
            scale, zero_point = self.quantization
            return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
        return values.astype(np.float32) if scores.dtype is F16 else values

    def __str__(self) -> str:
        return f"{self.port.name}: {self.classes or '?'} classes, {self.rule or '?'}, the best {self.top}"


def plan_output(spec: ClassifierOutput, ports: Sequence[Port], folder: Path) -> OutputPlan:
    """What this model's scores mean. Raises Wrong with what contradicts the model, and labels that cannot be read."""
    port = choose_port(ports, spec.name, "output")
    if port.dtype in (BOOL, BYTES):
        raise Wrong((("output",), f"the model gives {port}, which are no scores", "choose another output"))
    classes = _classes(port)
    mistakes = Mistakes()
    quantization = mistakes.attempt(lambda: _quantization(spec, port))
    rule = mistakes.attempt(lambda: _stated_rule(spec, port, quantization))
    names = mistakes.attempt(lambda: _names(spec, folder)) or ()
    plan = OutputPlan(
        port=port,
        rule=rule,
        classes=classes,
        quantization=quantization,
        names=names,
        offset=spec.label.offset if spec.label else 0,
        top=spec.top,
        threshold=-math.inf if spec.threshold is None else spec.threshold,
    )
    if classes is not None:
        mistakes.attempt(lambda: _check_classes(plan, classes))
    mistakes.check()
    return plan


def _quantization(spec: ClassifierOutput, port: Port) -> tuple[float, int] | None:
    if spec.scale is None:
        return port.quantization
    if port.dtype in FLOATS:
        raise Wrong((("output", "scale"), f"is for quantised scores, but the model gives {port}", "leave it out"))
    return spec.scale, spec.zero_point


def _stated_rule(spec: ClassifierOutput, port: Port, quantization: tuple[float, int] | None) -> Rule | None:
    """What the document says, or what follows from the quantisation: steps from 0 to 1 are probabilities."""
    if spec.type not in ("auto", "softmax", "scores", port.dtype.name):
        raise Wrong((("output", "type"), f"is {spec.type}, but the model gives {port}", "leave it out"))
    if spec.type in ("softmax", "scores"):
        return "softmax" if spec.type == "softmax" else "scores"
    if port.dtype in FLOATS:
        return None
    if quantization is None:
        message = f"is missing: the engine does not tell what the steps of {port} stand for"
        cure = "say scale and zero_point, or type: scores for the numbers as they are, or choose another engine"
        raise Wrong((("output", "type"), message, cure))
    limits, (scale, zero_point) = np.iinfo(port.dtype.numpy), quantization
    least, most = ((end - zero_point) * scale for end in (limits.min, limits.max))
    return "scores" if least >= 0 and most <= 1 + _SUM_TOLERANCE else None


def _rule_of(values: Scores) -> Rule:
    """Whether scores are probabilities already. Raises Wrong where it could be either."""
    if values.size == 1:
        return "scores"
    if not np.isfinite(values).all():
        raise Wrong((("output", "type"), "is missing: the model gives NaN for a grey picture", "say scores or softmax"))
    if values.min() < 0 or values.max() > 1 + _SUM_TOLERANCE:
        return "softmax"
    total = float(values.sum(dtype=np.float64))
    if abs(total - 1) <= _SUM_TOLERANCE:
        return "scores"
    message = f"is missing: the scores lie between 0 and 1 but add up to {total:.3g}, so they could be anything"
    raise Wrong((("output", "type"), message, "say scores (as they are) or softmax"))


def _classes(port: Port) -> int | None:
    """How many classes a shape has; None where that is open."""
    if port.shape is None:
        return None
    fixed = [dim for dim in port.shape if dim not in (1, None)]
    if len(fixed) > 1:
        raise _no_scores(port, port.shape)
    # A first dimension that is open counts pictures.
    if None in port.shape[1:] or (port.shape == (None,)):
        return None
    return fixed[0] if fixed else 1


def _is_list(shape: Sequence[int]) -> bool:
    return 0 not in shape and sum(dim != 1 for dim in shape) <= 1


def _no_scores(port: Port, shape: Sequence[int | None]) -> Wrong:
    message = f"the model gives {port}, of shape {list(shape)}: one score per class is needed"
    return Wrong((("output",), message, "choose another output"))


def _names(spec: ClassifierOutput, folder: Path) -> tuple[str, ...]:
    label = spec.label
    if label is None or label.path is None:
        return label.names or () if label else ()
    try:
        return tuple(read_labels(folder / label.path))
    except WeftError as error:
        raise Wrong((("output", "label"), f"'{label.path}' {error.what}", error.cure)) from error


def _check_classes(plan: OutputPlan, classes: int) -> None:
    """One name for each class, but for those before the first one's. Raises Wrong with both counts."""
    if classes == 1 and plan.rule == "softmax":
        message = f"is softmax, which makes a single score 1 whatever it is: {plan.port}"
        raise Wrong((("output", "type"), message, "say scores"))
    count = len(plan.names)
    if not count or count + plan.offset == classes:
        return
    message = f"has {count} names, and the model {classes} classes"
    if plan.offset:
        message += f", which does not fit with the offset {plan.offset}"
    missing = classes - count
    cure = "name the file of this model's classes"
    if abs(missing) == 1 and not plan.offset:
        what = "class 0 is a background without a name" if missing == 1 else "the first name is a background"
        cure = f"add offset: {missing} if {what}"
    elif plan.offset and abs(missing) <= 1:
        cure = f"say offset: {missing}" if missing else "leave offset out"
    raise Wrong((("output", "label"), message, cure))


class Best:
    """The best labels of an output's scores, as JSON. Shared: it changes nothing."""

    def __init__(self, plan: OutputPlan) -> None:
        self._plan = plan
        self._softmax = plan.rule == "softmax"
        self._starts = [_start(plan, index) for index in range(plan.classes or 0)]

    def json(self, scores: Tensor) -> bytes:
        """``{"labels": [{"label": …, "index": …, "score": …}]}``, the best first; of equals the first class.

        Raises ModelError for another number of scores than the model had before, and for NaN.
        """
        values = self._plan.numbers(scores)
        if values.size != len(self._starts):
            raise ModelError(f"gave {values.size} scores, not {len(self._starts)}", cure="check the model")
        if not np.isfinite(values.max()):
            raise _not_finite()
        best = _top(values, self._plan.top)
        chosen = values[best].astype(np.float64)
        if self._softmax:
            largest = float(chosen[0])
            chosen = np.exp(chosen - largest) / np.exp(values - largest).sum(dtype=np.float64)
        if not np.isfinite(chosen).all():
            raise _not_finite()
        told = zip(best.tolist(), chosen.tolist(), strict=True)
        parts = [f"{self._starts[at]}{score:.6g}}}" for at, score in told if score >= self._plan.threshold]
        return f'{{"labels": [{", ".join(parts)}]}}'.encode()


def _not_finite() -> ModelError:
    return ModelError("gave NaN or infinite scores", cure="check the model, and the input's type, mean and std")


def _start(plan: OutputPlan, index: int) -> str:
    """A label's JSON up to its score."""
    at = index - plan.offset
    name = plan.names[at] if 0 <= at < len(plan.names) else ""
    return f'{{"label": {json.dumps(name or str(index), ensure_ascii=False)}, "index": {index}, "score": '


def _top(values: Scores, count: int) -> Scores:
    """The places of the largest values, the largest first; of equals the one that comes first."""
    if count < values.size:
        least = np.partition(values, values.size - count)[values.size - count]
        above = np.flatnonzero(values > least)
        # Quantised scores have many equals: only as many as are wanted are looked at further.
        places = np.concatenate((above, np.flatnonzero(values == least)[: count - above.size]))
    else:
        places = np.arange(values.size)
    return places[np.argsort(-values[places].astype(np.float64), kind="stable")]
