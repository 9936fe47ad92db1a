"""The inputs and outputs of a model as guests name them: by number or by name."""

from __future__ import annotations

from weft.core.model import Port
from weft.core.suggest import did_you_mean
from weft.wasm.guard import Refusal


def port_at(ports: tuple[Port, ...], index: int, what: str) -> Port:
    """The port with a number. Raises Refusal ("invalid")."""
    if 0 <= index < len(ports):
        return ports[index]
    raise Refusal("invalid", f"no {what} number {index}; the model has {len(ports)}")


def port_named(ports: tuple[Port, ...], name: str, what: str) -> Port:
    """The port with a name. Raises Refusal ("not_found") with the nearest one."""
    for port in ports:
        if port.name == name:
            return port
    names = [port.name for port in ports]
    hint = did_you_mean(name, names) or f"the model has {', '.join(names)}"
    raise Refusal("not_found", f"no {what} '{name}'; {hint}")
