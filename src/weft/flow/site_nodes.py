"""What a document that joins a site has beside its own: a source of what others emit, and a sink of what it shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.core.streams import matches_any
from weft.flow.endpoint_options import spool_options
from weft.flow.graph import SinkNode, SourceNode
from weft.flow.site import Site, no_site
from weft.flow.stream_sink import StreamSink
from weft.flow.stream_source import StreamSource
from weft.stream.base import PublishOptions
from weft.stream.joining import Joining

if TYPE_CHECKING:
    from weft.spec.pipeline import PipelineSpec

FROM_SITE = "site:in"
TO_SITE = "site:out"
"""The names of the two. No stage of a document can be called so."""

SITE_QUEUE = 64


def site_of(spec: PipelineSpec) -> Site:
    """The site it joins; opened when the pipeline runs."""
    use = spec.streams
    if use is None:
        return Site(no_site)
    cert = None if use.cert is None else spec.resolve(use.cert)
    access = None if use.access is None else spec.resolve(use.access)
    joining = Joining(use.connect, use.listen, use.site, cert, access=access)
    return Site(joining.open, joining)


def from_site(spec: PipelineSpec, site: Site) -> list[SourceNode]:
    """What nobody in the document emits."""
    wanted = spec.graph.foreign if spec.streams is not None else ()
    if not wanted:
        return []
    return [SourceNode(name=FROM_SITE, open=lambda: StreamSource(site.streams(), wanted), patterns=wanted)]


def to_site(spec: PipelineSpec, site: Site) -> list[SinkNode]:
    """What the document emits, as far as it is shared, and no sink of its own publishes it."""
    use = spec.streams
    if use is None:
        return []
    published = [name for name, sink in spec.sinks.items() if sink.type == "stream"]
    taken = [stream for name in published for stream in spec.sink_inputs(name)]
    shared = tuple(
        stream
        for stream in spec.graph.names
        if (use.share is None or matches_any(use.share, stream)) and not matches_any(taken, stream)
    )
    if not shared:
        return []
    options = PublishOptions(use.delivery, use.latest, use.scope, spool=spool_options(spec, use.spool))
    return [
        SinkNode(
            name=TO_SITE,
            open=lambda: StreamSink(site.streams(), options, shared),
            inputs=shared,
            queue_size=SITE_QUEUE,
            overflow="drop_oldest",
        )
    ]
