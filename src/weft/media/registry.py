"""Sources and sinks by the type name a pipeline uses: Weft's own and those of installed packages, by one door.

A package adds its own with entry points::

    [project.entry-points."weft.sources"]
    kinect = "my_package.kinect:KinectSource"

The class implements :class:`weft.core.protocols.Source` or ``Sink``; its keyword arguments are the options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import Generic, TypeVar

from weft.core.errors import UnavailableError, UsageError
from weft.core.protocols import Sink, Source
from weft.core.suggest import did_you_mean

_Made = TypeVar("_Made")


class Registry(Mapping[str, Callable[..., _Made]], Generic[_Made]):
    """Type name to class; a class is imported when it is first asked for.

    Raises UsageError for a name nobody has or two packages claim, UnavailableError for a plugin that does not import.
    """

    def __init__(self, group: str, own: Mapping[str, str]) -> None:
        self.group = group
        self._own = own

    def __getitem__(self, name: str) -> Callable[..., _Made]:
        places = self._places.get(name, [])
        if not places:
            cure = did_you_mean(name, self) or f"one of {', '.join(self)}"
            raise UsageError(f"no type '{name}' in {self.group}", cure=cure)
        if len(places) > 1:
            what = f"'{name}' in {self.group} is claimed by {' and '.join(places)}"
            raise UsageError(what, cure="uninstall one of them")
        return self._load(name, places[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @cached_property
    def _places(self) -> dict[str, list[str]]:
        from importlib.metadata import entry_points

        places = {name: [place] for name, place in self._own.items()}
        for point in entry_points(group=self.group):
            known = places.setdefault(point.name, [])
            if point.value not in known:
                known.append(point.value)
        return places

    def _load(self, name: str, place: str) -> Callable[..., _Made]:
        module, _, attribute = place.partition(":")
        try:
            made: Callable[..., _Made] = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            what = f"type '{name}' of {self.group} does not load from {place}: {error}"
            raise UnavailableError(
                what, cure="install what it needs, or uninstall the package that brings it"
            ) from error
        return made


SOURCES: Registry[Source] = Registry(
    "weft.sources",
    {
        "video": "weft.media.sources.video:VideoSource",
        "camera": "weft.media.sources.camera:CameraSource",
        "mqtt": "weft.media.sources.mqtt:MqttSource",
        "http": "weft.media.sources.http:HttpSource",
        "pictures": "weft.media.sources.pictures:PicturesSource",
        "pattern": "weft.media.sources.pattern:PatternSource",
        "lines": "weft.media.sources.lines:LinesSource",
    },
)

SINKS: Registry[Sink] = Registry(
    "weft.sinks",
    {
        "console": "weft.media.sinks.console:ConsoleSink",
        "jsonl": "weft.media.sinks.jsonl:JsonlSink",
        "video": "weft.media.sinks.video:VideoSink",
        "directory": "weft.media.sinks.directory:DirectorySink",
    },
)
