"""Models, which run on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from weft._backend import host
from weft.tensor import Tensor, as_tensor

_models: dict[str, Model] = {}


class Outputs(tuple[Tensor, ...]):
    """What a model gives: tensors in its order, which can also be asked for by name.

    Attributes:
        names: the outputs' names.
    """

    names: tuple[str, ...]

    @overload  # type: ignore[override]  # a tuple that takes names as well
    def __getitem__(self, key: int | str) -> Tensor: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[Tensor, ...]: ...

    def __getitem__(self, key: int | str | slice) -> Tensor | tuple[Tensor, ...]:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key not in self.names:
            raise KeyError(f"no output '{key}'; the model has {', '.join(self.names)}")
        return super().__getitem__(self.names.index(key))


class Model:
    """A model the function was granted."""

    def __init__(self, name: str) -> None:
        """Raises HostError when no such model was granted."""
        self.name = name
        self._key = host().model_load(name)

    def run(self, *inputs: Any, **named: Any) -> Outputs:
        """One inference, on tensors (or numpy arrays) in the order of the model's inputs, or by their names.

        Names that are no Python names go into a dict: ``run({"input:0": tensor})``. Raises HostError.
        """
        if len(inputs) == 1 and isinstance(inputs[0], Mapping):
            named, inputs = {**inputs[0], **named}, ()
        given = [("", as_tensor(value)) for value in inputs]
        given += [(name, as_tensor(value)) for name, value in named.items()]
        found = host().model_run(self._key, [(name, tensor.held) for name, tensor in given])
        outputs = Outputs(Tensor._of(held) for _, held in found)
        outputs.names = tuple(name for name, _ in found)
        return outputs

    def __repr__(self) -> str:
        return f"Model({self.name!r})"


def model(name: str) -> Model:
    """The model granted under a name; loaded once. Raises HostError when there is none."""
    if name not in _models:
        _models[name] = Model(name)
    return _models[name]
