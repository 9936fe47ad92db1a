"""``weft completion``: the completion script for a shell."""

from __future__ import annotations

import sys
from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script for a shell.

        weft completion bash > ~/.local/share/bash-completion/completions/weft

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    from weft.cli.main import make_app

    sys.stdout.write(make_app().generate_completion(shell=shell))
    return 0
