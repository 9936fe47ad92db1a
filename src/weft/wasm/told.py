"""What guests of every interface may ask of their function's config and say to its log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from weft.core.suggest import did_you_mean
from weft.wasm.guard import Refusal

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

LEVELS = (5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
"""The levels of ``logging``, by the numbers guests use: trace, debug, info, warning, error."""


def config_value(instance: Instance, key: str) -> str:
    """A config value. Raises Refusal ("not_found"), with a reason only where a key was nearly right."""
    config = instance.settings.config
    if key not in config:
        hint = "" if key.startswith("model.") else did_you_mean(key, config)
        raise Refusal("not_found", f"no config '{key}'; {hint}" if hint else "")
    return config[key]


def log_line(instance: Instance, level: int, text: str) -> None:
    """A log line; what is a warning or worse is kept for the error a person may read."""
    number = LEVELS[min(max(level, 0), len(LEVELS) - 1)]
    if number >= logging.WARNING:
        instance.note(text)
    instance.log.line(number, text)
