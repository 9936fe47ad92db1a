"""The state functions of the ``weft`` host module: values that outlive the instance and the process."""

from __future__ import annotations

from weft.wasm.guard import Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.host.weft import WeftHost
from weft.wasm.state import MAX_KEY


class WeftStateHost(HostModule):
    """``state_get``, ``state_put`` and ``state_delete``. Denied (-4) where no state was granted."""

    name = "weft"
    grant = "its state (state:, --state)"
    errno = WeftHost.errno

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """State, where one of the functions is imported."""
        return ("its state: --state FILE",) if functions & cls.signatures().keys() else ()

    @exported("(i32 i32 i32 i32) -> (i32)")
    def state_get(self, key_ptr: int, key_len: int, ptr: int, cap: int) -> int:
        """A value's length; copied only if it fits. Not found (-2) is no defect and leaves no note."""
        value = self.instance.state.get(self._key(key_ptr, key_len))
        if value is None:
            raise Refusal("not_found")
        if len(value) <= cap & 0xFFFFFFFF:
            self.memory.write(ptr, value)
        return len(value)

    @exported("(i32 i32 i32 i32) -> (i32)")
    def state_put(self, key_ptr: int, key_len: int, ptr: int, length: int) -> None:
        """Write a value; too large (-3) over a limit."""
        key = self._key(key_ptr, key_len)
        self.instance.state.put(key, self.memory.read(ptr, length))

    @exported("(i32 i32) -> (i32)")
    def state_delete(self, key_ptr: int, key_len: int) -> None:
        """Delete a key; not found (-2) where it was not there."""
        if not self.instance.state.delete(self._key(key_ptr, key_len)):
            raise Refusal("not_found")

    def _key(self, ptr: int, length: int) -> str:
        if length & 0xFFFFFFFF > MAX_KEY:
            what = f"a key of {length & 0xFFFFFFFF} bytes; keys have at most {MAX_KEY}"
            raise Refusal("too_large", what, "shorten the key")
        return self.memory.text(ptr, length)
