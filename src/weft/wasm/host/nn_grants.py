"""What a guest may load as a model, whatever interface it asks through: a granted name, or bytes with ``nn.load``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from weft.core.errors import DeniedError
from weft.core.model import Model
from weft.core.suggest import did_you_mean

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

BY_NAME = "a model by name: --model NAME=FILE"
OWN_MODEL = "its own model bytes: --allow nn.load"
GRANT = "models by name (models:, --model); the guest's own bytes with nn.load (allow:, --allow)"


def check_own_model(instance: Instance) -> None:
    """Raise DeniedError, logged with its cure, unless the guest may bring its own model bytes."""
    if "nn.load" not in instance.settings.grants.allow:
        raise _denied(
            instance,
            "the guest brings its own model, which was not granted",
            "grant it with allow: [nn.load] (--allow nn.load), or grant a model by name",
        )


def granted_model(instance: Instance, name: str) -> Model:
    """The model granted under a name. Raises DeniedError, logged with its cure."""
    settings = instance.settings
    if name in settings.models:
        return settings.models[name]
    cure = f"add '{name}' to models: of function '{settings.name}' (--model {name}=FILE)"
    if settings.models:
        cure += f"; granted is {', '.join(settings.models)}"
    raise _denied(instance, f"no model '{name}' was granted", did_you_mean(name, settings.models) or cure)


def _denied(instance: Instance, what: str, cure: str) -> DeniedError:
    """Guests often carry on without their model: so the refusal is logged, too."""
    instance.log.line(logging.WARNING, f"{what}; {cure}")
    return DeniedError(what, where=instance.settings.name, cure=cure)
