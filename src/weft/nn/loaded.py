"""A loaded model: what ``weft.core.model.Model`` promises, over one engine's session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.core.clock import monotonic
from weft.core.model import ModelInfo
from weft.core.tensor import Tensor
from weft.nn.backend import Session
from weft.nn.ports import Feed, output_indexes
from weft.nn.usage import Usage, Watch


class LoadedModel:
    """A model in an engine, checked at the door. Shared between callers; safe from many threads at once.

    Attributes:
        usage: how often it was run.
    """

    def __init__(self, info: ModelInfo, session: Session, watch: Watch | None = None) -> None:
        self.usage = Usage(info.name, watch or Watch())
        self._info = info
        self._session = session
        self._feed = Feed(info.inputs)
        self._names = tuple(port.name for port in info.outputs)
        self._all = tuple(range(len(self._names)))

    @property
    def info(self) -> ModelInfo:
        """Ports, engine, device, size."""
        return self._info

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str] | None = None) -> dict[str, Tensor]:
        """One inference; see :meth:`weft.core.model.Model.infer`.

        Args:
            inputs: a tensor for every input port, by name. Only read during the call.
            outputs: the names of the outputs wanted, None for all.

        Raises:
            TensorError: a name, dtype or shape the model does not have.
            ModelError: the engine failed on these inputs.
        """
        feeds = self._feed.order(inputs, self._info.name)
        if outputs is None:
            return dict(zip(self._names, self._run(feeds, self._all), strict=True))
        wanted = output_indexes(outputs, self._info.outputs, self._info.name)
        if not wanted:
            return {}
        return dict(zip(outputs, self._run(feeds, wanted), strict=True))

    def _run(self, feeds: Sequence[Tensor], wanted: Sequence[int]) -> list[Tensor]:
        began = monotonic()
        found = self._session.run(feeds, wanted)
        self.usage.add(monotonic() - began)
        return found

    def __repr__(self) -> str:
        info = self._info
        return f"LoadedModel({info.name!r}, {info.format}, {info.engine} on {info.device})"
