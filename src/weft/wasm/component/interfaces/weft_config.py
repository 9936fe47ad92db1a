"""``weft:function/config``: what the pipeline says to the function."""

from __future__ import annotations

from weft.core.suggest import did_you_mean
from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.weft_types import WeftInterface
from weft.wasm.component.types import STRING, List, Option, Tuple


class WeftConfig(WeftInterface):
    """Texts by name."""

    name = "weft:function/config"

    @offered(STRING, result=Option(STRING))
    def get(self, key: str) -> str | None:
        """A value, or nothing; a key that was nearly right leaves a note."""
        config = self.instance.settings.config
        if key not in config and not key.startswith("model.") and (hint := did_you_mean(key, config)):
            self.instance.note(f"config.get: no config '{key}'; {hint}")
        return config.get(key)

    @offered(result=List(Tuple((STRING, STRING))))
    def all(self) -> list[tuple[str, str]]:
        """Every key and value."""
        return list(self.instance.settings.config.items())
