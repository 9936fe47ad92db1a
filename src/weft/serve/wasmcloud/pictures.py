"""Pictures as the input of a served model, and its output as matches, where no function of the user's does that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weft.core.dtypes import F16, F32, F64
from weft.core.errors import ModelError, TensorError
from weft.core.model import ModelInfo
from weft.core.tensor import Tensor
from weft.flow.classifier_mistakes import Wrong
from weft.flow.classifier_output import OutputPlan, plan_output
from weft.media.images import open_picture

if TYPE_CHECKING:
    from weft.flow.classifier_input import InputPlan

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What ImageNet's models take red, green and blue by, in units of 0 to 1."""

TOP = 5
_IMAGENET = {"type": "rgb32f", "mean": list(MEAN), "std": list(STD)}
_SUM_TOLERANCE = 0.02
_CURE = "send a tensor to /NAME, or serve it with --preprocess and --postprocess"


class Pictures:
    """How pictures become one model's input, and its output matches; worked out once for each way.

    Models of floats get 0 to 1 less ``MEAN`` over ``STD``; of integers, or with ``rgb8``, 0 to 255. One channel is
    luma, 0 to 255.
    """

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self._plans: dict[bool, InputPlan] = {}
        self._output: OutputPlan | None = None

    def tensor(self, data: bytes, media_type: str, *, rgb8: bool) -> dict[str, Tensor]:
        """A picture file as the model's inputs. Raises MediaError, and TensorError where the model takes no picture."""
        claimed = media_type if media_type.startswith("image/") else ""  # curl's own guess says nothing
        picture = open_picture(data, claimed)
        plan = self._plans.get(rgb8)
        if plan is None:
            plan = self._plans[rgb8] = self._plan(rgb8=rgb8)
        return {plan.port.name: plan.make().tensor(picture)}

    def matches(self, outputs: Sequence[Tensor], labels: Sequence[str]) -> list[dict[str, object]]:
        """The best classes, the best first. Raises TensorError and ModelError where the output is no list of scores."""
        if self._output is None:
            self._output = self._plan_output()
        values = self._output.numbers(outputs[0]).astype(np.float64)
        if not np.isfinite(values).all():
            raise ModelError("gave NaN or infinite scores", cure="check the model, and how its input is made")
        if labels and len(labels) != values.size:
            what = f"has {values.size} classes, and its labels have {len(labels)} names"
            raise ModelError(what, where=self.info.name, cure="name the file of this model's classes")
        if not _are_probabilities(values):
            values = np.exp(values - values.max())
            values /= values.sum()
        best = np.argsort(-values, kind="stable")[:TOP].tolist()
        return [{"label": _label(labels, at), "probability": round(float(values[at]), 6)} for at in best]

    def _plan(self, *, rgb8: bool) -> InputPlan:
        from weft.flow.classifier_input import plan_input
        from weft.spec.classify import ClassifierInput

        try:
            plan = plan_input(ClassifierInput(), self.info.inputs)
            if plan.type.startswith("luma"):
                return plan_input(ClassifierInput(type="luma8"), self.info.inputs)
            if rgb8 or plan.port.dtype not in (F16, F32, F64):
                return plan_input(ClassifierInput(type="rgb8"), self.info.inputs)
            return plan_input(ClassifierInput.model_validate(_IMAGENET), self.info.inputs)
        except Wrong as wrong:
            ports = "; ".join(map(str, self.info.inputs))
            raise TensorError(f"the model takes {ports}, which no picture becomes by itself", cure=_CURE) from wrong

    def _plan_output(self) -> OutputPlan:
        from weft.spec.classify import ClassifierOutput

        try:
            return plan_output(ClassifierOutput(type="scores"), self.info.outputs[:1], Path())
        except Wrong as wrong:
            what = f"the model gives {self.info.outputs[0]}, which are no classes"
            raise TensorError(what, cure=_CURE) from wrong


def _are_probabilities(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    return bool(values.size == 1 or (values.min() >= 0 and abs(values.sum() - 1) <= _SUM_TOLERANCE))


def _label(labels: Sequence[str], at: int) -> str:
    return labels[at] if at < len(labels) and labels[at] else str(at)
