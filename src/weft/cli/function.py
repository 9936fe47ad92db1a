"""``weft function``: one function that takes streams of a site and publishes what it emits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from weft.cli import options as written
from weft.cli.consumer_options import Consuming
from weft.cli.group_options import Grouping
from weft.cli.guest_options import Flags, GuestOptions, Switch
from weft.cli.site_options import SiteOptions
from weft.cli.spool_options import Spooling
from weft.core.errors import UsageError

if TYPE_CHECKING:
    from weft.flow.graph import OnError
    from weft.stream.base import PublishOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Emitting:
    """What it promises of the streams it emits to."""

    delivery: Literal["live", "reliable", "durable"] = "live"
    """live: the newest results win. reliable: in order, and what was lost on the way is sent again. durable: kept on
    disk first, and sent again after a crash, too."""
    latest: Switch = False
    """Who takes the results later begins with the last one."""
    scope: Literal["site", "global"] = "site"
    """site: the results stay within the site. global: all sites that are joined may take them."""
    keep: int = 1024
    """How many results of a reliable stream can be sent again."""

    def options(self, spooling: Spooling) -> PublishOptions:
        """What they say. Raises UsageError."""
        from weft.stream.base import PublishOptions

        spool = spooling.options(self.delivery)
        return PublishOptions(self.delivery, self.latest, self.scope, self.keep, spool=spool)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Working:
    """How it works on frames, and what becomes of those it fails on."""

    queue: int = 8
    """Frames that may wait for it; of live streams the oldest are dropped beyond that."""
    replicas: int = 1
    """How many instances work at once. The order of each source's frames is kept."""
    retry: int = 0
    """How often a frame it failed on is tried again."""
    errors: str | None = None
    """A stream for a JSON record of each frame it failed on; they are only counted by default."""

    def on_error(self) -> OnError:
        """What happens to frames it fails on. Raises UsageError where one of the numbers is too small."""
        from weft.flow.graph import OnError

        if self.queue < 1 or self.replicas < 1 or self.retry < 0:
            raise UsageError("--queue and --replicas begin at 1, --retry at 0", cure="leave them out for the defaults")
        return OnError("stream" if self.errors else "skip", retries=self.retry, stream=self.errors or "")


def function(
    module: str,
    /,
    *args: Annotated[str, Parameter(allow_leading_hyphen=True)],
    observe: Flags,
    emit: Flags,
    emitting: Emitting = Emitting(),
    working: Working = Working(),
    guest: GuestOptions = GuestOptions(),
    consuming: Consuming = Consuming(),
    grouping: Grouping = Grouping(),
    spooling: Spooling = Spooling(),
    options: SiteOptions = SiteOptions(),
) -> int:
    """Run a function on streams of the site, and publish what it emits.

        weft function classify.wasm --observe 'cam/*' --emit labels --model net=mobilenetv2.onnx
        weft function classify.yaml --observe cam/1 --emit labels/1 --connect quic/edge:7447
        weft function weft:classify --observe 'cam/*' --emit labels --model net=mobilenetv2.onnx --group classify

    What it emits keeps the source, the number and the time of the frame it came from. It goes on until Ctrl-C; what is
    under way is finished.

    Parameters
    ----------
    module
        A .wasm, .wat or .cwasm module, weft:NAME for a function that comes with Weft, a .py, or a classifier's .yaml.
    args
        The guest's arguments.
    observe
        A stream it takes, or a pattern such as 'cam/*'; may be given several times.
    emit
        A stream it emits to, the default one first.
    """
    from weft.cli.publish import run_joined
    from weft.flow.publishing import Observing, observing

    written.check_words(args, OWN_OPTIONS)
    failed, shared, consumer = working.on_error(), grouping.options(), consuming.options()
    how = Observing(tuple(observe), tuple(emit), working.queue, working.replicas, failed, shared, consumer)
    about, publish = guest.function_options(args), emitting.options(spooling)
    pipeline = observing(written.module(module), about, how, publish)
    return run_joined(pipeline, options, guest.log_level, observe)


OWN_OPTIONS = written.option_names(function)
"""Where a word like one of these stands among the guest's arguments, it is asked about."""
