"""Waiting for a lane's answer: as a coroutine, or on a thread."""

from __future__ import annotations

import asyncio
import math
from concurrent import futures
from functools import partial

from weft.core.clock import monotonic
from weft.core.errors import BusyError, OverdueError, WeftError
from weft.serve.models.job import Done, Job, Outputs
from weft.serve.models.lane import Lane
from weft.serve.models.request import InferRequest
from weft.serve.models.version import Version

_NO_LESS_S = 0.001


async def run_async(lane: Lane, version: Version, request: InferRequest) -> Outputs:
    """A request's outputs. Raises RetiredError, and what :meth:`weft.serve.models.service.Models.infer` does."""
    timeout_s = timeout_of(version, request)
    if lane.settings.quick and (outcome := _run_here(lane, version, request, timeout_s)) is not None:
        return outcome
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Outputs] = loop.create_future()
    job = _submitted(lane, version, request, partial(_deliver, loop, future), timeout_s)
    timer = None if math.isinf(timeout_s) else loop.call_later(timeout_s, _expire, lane, version, job, future)
    try:
        return await future
    except asyncio.CancelledError:
        lane.cancel(job)
        raise
    finally:
        if timer is not None:
            timer.cancel()


def _run_here(lane: Lane, version: Version, request: InferRequest, timeout_s: float) -> Outputs | None:
    """The outputs of a model that is quicker than the way to another thread; None where it must wait there."""
    outcomes: list[Outputs | WeftError] = []
    version.used = monotonic()
    job = lane.job(request.inputs, [output.name for output in request.outputs], outcomes.append, timeout_s)
    if not lane.run_here(job):
        return None
    (outcome,) = outcomes
    if isinstance(outcome, WeftError):
        raise outcome
    return outcome


def run_sync(lane: Lane, version: Version, request: InferRequest) -> Outputs:
    """As :func:`run_async`, waiting on this thread."""
    future: futures.Future[Outputs] = futures.Future()
    timeout_s = timeout_of(version, request)
    job = _submitted(lane, version, request, partial(_settle, future), timeout_s)
    try:
        return future.result(None if math.isinf(timeout_s) else timeout_s)
    except futures.TimeoutError:
        raise _overdue(lane, version, job) from None


def timeout_of(version: Version, request: InferRequest) -> float:
    """Seconds a request has: what the model's settings allow, or less where the request says so."""
    most = version.spec.timeout_s
    return most if request.timeout_s is None else min(most, max(request.timeout_s, _NO_LESS_S))


def patience_of(version: Version, request: InferRequest) -> float | None:
    """As :func:`timeout_of`; None for no limit."""
    timeout_s = timeout_of(version, request)
    return None if math.isinf(timeout_s) else timeout_s


def _submitted(lane: Lane, version: Version, request: InferRequest, done: Done, timeout_s: float) -> Job:
    version.used = monotonic()
    wanted = [output.name for output in request.outputs]
    job = lane.job(request.inputs, wanted, done, timeout_s)
    lane.submit(job)
    return job


def _deliver(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Outputs], outcome: Outputs | WeftError) -> None:
    try:
        loop.call_soon_threadsafe(_settle_once, future, outcome)
    except RuntimeError:  # the loop has ended, and nobody waits
        return


def _settle_once(future: asyncio.Future[Outputs], outcome: Outputs | WeftError) -> None:
    if not future.done():
        _settle(future, outcome)


def _settle(future: asyncio.Future[Outputs] | futures.Future[Outputs], outcome: Outputs | WeftError) -> None:
    if isinstance(outcome, WeftError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _expire(lane: Lane, version: Version, job: Job, future: asyncio.Future[Outputs]) -> None:
    if not future.done():
        future.set_exception(_overdue(lane, version, job))


def _overdue(lane: Lane, version: Version, job: Job) -> BusyError | OverdueError:
    if lane.cancel(job, "overdue"):
        what = f"waited for model '{version.where}' as long as it may"
        return BusyError(what, cure="ask again later, or allow it more time")
    return OverdueError(f"model '{version.where}' took longer than it may", cure="allow it more time")
