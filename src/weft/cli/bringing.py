"""The options of commands that bring or send artifacts, and how far that is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter

from weft.core.errors import UsageError
from weft.core.remote import brought_by, is_remote
from weft.core.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from weft.artifacts.pull import Pulled
    from weft.artifacts.settings import Check, Settings
    from weft.artifacts.store import Store

Switch = Annotated[bool, Parameter(negative="", show_default=False)]
Files = Annotated[list[Path], Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How artifacts travel."""

    offline: Switch = False
    """Never touch the network: what is not in the store is an error. As $WEFT_OFFLINE=1."""
    plain_http: Switch = False
    """Speak HTTP without TLS to a registry that is not on this machine."""

    @contextmanager
    def settings(self, check: Check | None = None) -> Iterator[Settings]:
        """What they say, with progress on a terminal while the block runs."""
        from weft.artifacts.settings import Settings, offline_asked

        with _shown() as tell:
            offline = self.offline or offline_asked()
            yield Settings(offline=offline, plain_http=self.plain_http, progress=tell, check=check)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BringOptions(NetworkOptions):
    """How artifacts travel, and who must have signed them."""

    verify: Files = field(default_factory=list)
    """A public key that must have signed what comes from registries, or one of several. A policy holds beside it."""
    policy: Path | None = None
    """A policy for what is brought: it holds beside this node's own, which is $WEFT_POLICY or policy.yaml in this
    user's settings."""

    @contextmanager
    def settings(self, check: Check | None = None) -> Iterator[Settings]:
        """What they say, and what this node's policy says of what is brought."""
        from weft.artifacts.policy import checks

        with super().settings(check or checks(self.policy, self.verify)) as settings:
            yield settings

    def bring(self, reference: str) -> Path:
        """The file a reference names. Raises as :func:`weft.artifacts.local.local_path`."""
        from weft.artifacts.local import local_path

        with self.settings() as settings:
            return local_path(reference, settings)

    def check_has(self, names: Sequence[str]) -> None:
        """Raises UsageError where ``--verify`` would check nothing, as none of the names is a reference."""
        if self.verify and not any(map(is_remote, names)):
            cure = "leave it out; only what is in a registry has signatures"
            raise UsageError("--verify: nothing of this comes from a registry", cure=cure)


@contextmanager
def bringing(options: BringOptions) -> Iterator[None]:
    """References in the block are brought as the options say."""
    with brought_by(options.bring):
        yield


def pulled(text: str, options: BringOptions) -> tuple[Pulled, Store]:
    """An artifact, looked up anew and brought into the store. Raises as :func:`weft.artifacts.pull.pull`."""
    from weft.artifacts.local import run
    from weft.artifacts.pull import pull
    from weft.artifacts.reference import parse_reference
    from weft.artifacts.store import Store

    reference, store = parse_reference(text, bare=True), Store()
    with options.settings() as settings:
        return run(pull(reference, store, settings)), store


class _Bars:
    """A bar for each blob that takes a while."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(visible(name)[-40:], total=total)
        self._progress.update(self._tasks[name], completed=done)


@contextmanager
def _shown() -> Iterator[_Bars | None]:
    """Bars on standard error while the block runs; nothing where it is no terminal."""
    if not sys.stderr.isatty():
        with nullcontext():
            yield None
        return
    from typing import TextIO

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from weft.cli.streams import Unfailing

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(file=cast("TextIO", Unfailing(sys.stderr)))
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)
