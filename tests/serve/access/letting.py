"""Letting a caller in, as every protocol does."""

from __future__ import annotations

from collections.abc import Mapping

from weft.serve.caller import Access, Caller


async def let_in(access: Access, headers: Mapping[str, str], peer: str) -> Caller:
    """Who asks; raises what the access raises."""
    caller = await access.identify(headers, peer)
    access.admit(caller)
    return caller
