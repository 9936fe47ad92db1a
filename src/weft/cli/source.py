"""``weft source``: one source, published as a stream. Its options are those of the source in a pipeline's document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import Parameter as Argument
from inspect import Signature
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from weft.cli.help_text import help_text
from weft.cli.site_options import SiteOptions
from weft.cli.spool_options import Spooling
from weft.spec.sources import PLACES, Option, SourceType, source_types

_FAST = Option("fast", bool, "As fast as it goes; by default a file is played at its own pace.", False, False)

_PUBLISH = (
    Option(
        "delivery",
        Literal["live", "reliable", "durable"],
        "live: the newest frames win. reliable: in order, and what was lost on the way is sent again. durable: kept on "
        "disk first, and sent again after a crash, too.",
        False,
        "live",
    ),
    Option("latest", bool, "Who takes the stream later begins with its last frame.", False, False),
    Option(
        "scope",
        Literal["site", "global"],
        "site: it stays within the site. global: all sites that are joined may take it.",
        False,
        "site",
    ),
    Option("keep", int, "How many frames of a reliable stream can be sent again.", False, 1024),
    Option("log_level", Literal["debug", "info", "warning", "error"], "How much is told.", False, "warning"),
)

_EXAMPLES = {
    "video": "weft source video hot-dog.mp4 --stream cam/1 --loop",
    "camera": "weft source camera rtsp://camera/live --stream cam/1",
    "mqtt": "weft source mqtt mqtt://broker/factory/+/image --stream press",
    "http": "weft source http http://camera/snapshot.jpg --stream gate --every 2s",
    "pictures": "weft source pictures belt --stream belt --loop",
    "pattern": "weft source pattern --stream cam/test --realtime",
    "lines": "weft source lines - --stream log",
}


def make(app: App) -> App:
    """A command for each type of source."""
    for kind in source_types():
        command = _command(kind)
        app.command(
            App(name=kind.name, default_command=command, help=help_text(command.__doc__ or ""), help_epilogue="")
        )
    return app


def _command(kind: SourceType) -> Callable[..., int]:
    own = {option.name: option for option in kind.options}
    place = next((name for name in PLACES if name in own), "")
    arguments = [*_arguments(kind, place)]
    signature = Signature(arguments)

    def command(*words: str, **named: Any) -> int:
        bound = signature.bind(*words, **named)
        bound.apply_defaults()
        given = bound.arguments
        written = {name: given[name] for name in own if name in given and given[name] != own[name].default}
        if "fast" in given:
            written["realtime"] = not given["fast"]
        return _run(kind.name, written, given)

    command.__name__ = kind.name
    command.__doc__ = f"{kind.about}\n\n    {_EXAMPLES.get(kind.name, f'weft source {kind.name} --stream NAME')}\n"
    command.__annotations__ = {argument.name: argument.annotation for argument in arguments} | {"return": int}
    command.__signature__ = signature  # type: ignore[attr-defined]  # what inspect.signature looks at first
    return command


def _run(kind: str, written: dict[str, Any], given: dict[str, Any]) -> int:
    from weft.cli.publish import run_joined
    from weft.flow.publishing import publishing
    from weft.stream.base import PublishOptions

    spool = given["spooling"].options(given["delivery"])
    options = PublishOptions(given["delivery"], given["latest"], given["scope"], given["keep"], spool=spool)
    pipeline = publishing(kind, written, given["stream"], options)
    return run_joined(pipeline, given["options"], given["log_level"])


def _arguments(kind: SourceType, place: str) -> Iterator[Argument]:
    """The place first, then the stream, its own options, those of publishing and those of the site."""
    first = [option for option in kind.options if option.name == place]
    paced = kind.name == "video"  # a file that has a pace of its own
    others = [option for option in kind.options if option.name != place and not (paced and option.name == "realtime")]
    for option in first:
        yield _argument(option, Argument.POSITIONAL_ONLY)
    yield _argument(Option("stream", str, "The stream's name, such as cam/1.", True, None))
    for option in (*others, *([_FAST] if paced else []), *_PUBLISH):
        yield _argument(option)
    yield Argument("spooling", Argument.KEYWORD_ONLY, default=Spooling(), annotation=Spooling)
    yield Argument("options", Argument.KEYWORD_ONLY, default=SiteOptions(), annotation=SiteOptions)


def _argument(option: Option, form: Any = Argument.KEYWORD_ONLY) -> Argument:
    shown = Parameter(
        help=option.about,
        negative="",
        show_default=not isinstance(option.default, bool) and option.default is not None,
        allow_leading_hyphen=form is Argument.POSITIONAL_ONLY,
    )
    kind = option.kind if option.required or option.default is not None else option.kind | None
    default = Argument.empty if option.required else option.default
    return Argument(option.name, form, default=default, annotation=Annotated[kind, shown])
