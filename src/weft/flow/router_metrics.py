"""The metrics of a router: who is there, who came back, who was turned away."""

from __future__ import annotations

from collections.abc import Iterator

from weft.flow import metric
from weft.flow.metric import Sample
from weft.stream.routing import Router


class RouterMetrics:
    """What a router tells of itself."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def samples(self) -> Iterator[Sample]:
        """Everything, as it is now. Somebody who has left is told of with 0 links."""
        router = self._router
        there, came = router.visitors.there, router.visitors.came
        for name, count in came.items():
            yield Sample(metric.ROUTER_LINKS, (name,), there.get(name, 0))
            yield Sample(metric.ROUTER_CONNECTIONS, (name,), count)
        for (name, right), count in sorted(router.refused.items()):
            yield Sample(metric.ROUTER_REFUSED, (name, right), count)
        yield Sample(metric.ROUTER_REJECTED, (), router.rejected)
        yield Sample(metric.ROUTER_RENEWALS, (), router.renewals)
