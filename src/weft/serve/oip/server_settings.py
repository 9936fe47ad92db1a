"""The protocol's settings of logging and tracing: what of them Weft has."""

from __future__ import annotations

import logging
from typing import Any

from weft.core.errors import InputError

_LOG = "weft"
_LEVELS = {"log_error": logging.ERROR, "log_warning": logging.WARNING, "log_info": logging.INFO}
_FIXED = {"log_file": "", "log_format": "default"}


def log_settings() -> dict[str, Any]:
    """Which levels are written. ``log_verbose_level`` 1 is Weft's level ``debug``."""
    level = logging.getLogger(_LOG).getEffectiveLevel()
    written = {name: level <= least for name, least in _LEVELS.items()}
    return {"log_file": "", **written, "log_verbose_level": int(level <= logging.DEBUG), "log_format": "default"}


def set_log_settings(given: object) -> dict[str, Any]:
    """Change the level; what it is then. Raises InputError for what Weft does not have."""
    if not isinstance(given, dict):
        raise InputError("log settings are a JSON object", cure='send {"log_info": true}')
    settings = log_settings()
    for name, value in given.items():
        _check(name, value)
        settings[name] = value
    logging.getLogger(_LOG).setLevel(_level(settings))
    return log_settings()


def trace_settings() -> dict[str, Any]:
    """Traces are not switched by clients: always off here."""
    return {"trace_level": ["OFF"], "trace_rate": "1000", "trace_count": "-1", "log_frequency": "0", "trace_file": ""}


def set_trace_settings(given: object) -> dict[str, Any]:
    """InputError for anything but leaving them off."""
    if not isinstance(given, dict):
        raise InputError("trace settings are a JSON object", cure='send {"trace_level": ["OFF"]}')
    now = trace_settings()
    for name, value in given.items():
        if name not in now:
            raise InputError(f"no trace setting '{name[:40]}'", cure=f"one of {', '.join(now)}")
        if value is not None and value != now[name]:
            raise InputError(f"{name} cannot be changed here", cure="see traces in the documentation of Weft")
    return now


def _check(name: str, value: object) -> None:
    if name in _FIXED:
        if value not in ("", _FIXED[name]):
            raise InputError(f"{name} cannot be changed", cure="the log goes to standard error")
    elif name == "log_verbose_level":
        if type(value) is not int or value < 0:
            raise InputError(f"{name} is {value!r}", cure="give a whole number")
    elif name not in _LEVELS:
        raise InputError(f"no log setting '{name[:40]}'", cure=f"one of {', '.join(log_settings())}")
    elif not isinstance(value, bool):
        raise InputError(f"{name} is {value!r}", cure="give true or false")


def _level(settings: dict[str, Any]) -> int:
    if settings["log_verbose_level"]:
        return logging.DEBUG
    wanted = [level for name, level in _LEVELS.items() if settings[name]]
    return min(wanted, default=logging.CRITICAL)
