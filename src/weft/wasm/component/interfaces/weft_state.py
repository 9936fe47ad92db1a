"""``weft:function/state``: values that outlive the instance and the process, where they are granted."""

from __future__ import annotations

from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.weft_types import ERROR, WeftInterface
from weft.wasm.component.types import BYTES, STRING, Option, Result


class WeftState(WeftInterface):
    """Bytes by name."""

    name = "weft:function/state"
    grant = "its state (state:, --state)"

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """State."""
        return ("its state: --state FILE",) if functions else ()

    @offered(STRING, result=Result(Option(BYTES), ERROR))
    def get(self, key: str) -> bytes | None:
        """A value, or nothing."""
        return self.instance.state.get(key)

    @offered(STRING, BYTES, result=Result(None, ERROR))
    def put(self, key: str, value: bytes) -> None:
        """Write a value."""
        self.instance.state.put(key, value)

    @offered(STRING, result=Result(None, ERROR))
    def delete(self, key: str) -> None:
        """Delete a key; one that is not there is no error."""
        self.instance.state.delete(key)
