"""What a Python function sees of Weft, inside the sandbox. The host's package of this name is another one.

::

    import weft

    def handle(frame):
        net = weft.model("net")
        [scores] = net.run(frame.picture.tensor(224, 224))
        return {"labels": [{"index": index, "score": score} for index, score in scores.top(5)]}
"""

from __future__ import annotations

from weft._answer import Emit, answer, emit
from weft.errors import HostError
from weft.fetching import Response, fetch
from weft.frame import Frame, Picture
from weft.kept import config, state
from weft.model import Model, Outputs, model
from weft.tensor import Tensor

__all__ = [
    "Emit",
    "Frame",
    "HostError",
    "Model",
    "Outputs",
    "Picture",
    "Response",
    "Tensor",
    "answer",
    "config",
    "emit",
    "fetch",
    "model",
    "state",
]
