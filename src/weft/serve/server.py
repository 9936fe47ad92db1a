"""A running server: its address, its event loop on a thread, its end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, cast

import uvicorn

from weft.core.clock import monotonic
from weft.core.errors import UnavailableError
from weft.serve.app import App, Face
from weft.serve.protocol import LimitedProtocol
from weft.serve.services import Services

log = logging.getLogger("weft.serve")

_BACKLOG = 1024
_TICK_S = 1.0
_DRAIN_TICK_S = 0.005


class Server:
    """Serves from ``start`` until ``close``.

    Attributes:
        services: what its faces draw on.
        app: the ASGI application.
    """

    def __init__(self, services: Services, faces: Sequence[Face]) -> None:
        self.services = services
        self.app = App(services, faces)
        self._faces = tuple(faces)
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started: Future[None] = Future()
        self._thread = Thread(target=self._run, name="weft:serve", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens at."""
        assert self._socket is not None, "start it first"
        name: tuple[str, int] = self._address
        return name

    @property
    def url(self) -> str:
        """Its address, as ``http://127.0.0.1:8078``."""
        host, port = self.address
        scheme = "https" if self.services.settings.tls else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def start(self) -> Thread:
        """Listen, begin to load the models, and return once requests are answered. Raises UnavailableError.

        Gives the thread that loads the models: it ends when all are ready, or have failed.
        """
        settings = self.services.settings
        self._socket = listen(settings.host, settings.port)
        self._address = cast(tuple[str, int], self._socket.getsockname()[:2])
        loading = self.services.models.start()
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._socket.close()
            raise
        return loading

    def close(self) -> None:
        """Take nothing more, finish what was taken within ``drain_s``, and end. The second time nothing happens."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join()

    # --- its thread ----------------------------------------------------------------------

    def _run(self) -> None:
        import uvloop

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        drain_s = self.services.settings.drain_s
        opened: list[Face] = []
        try:
            for face in self._faces:
                await face.start(self.services)
                opened.append(face)
            http = _Http(_config(self.services, self.app), self.services, self._started)
            assert self._socket is not None
            serving = asyncio.create_task(http.serve([self._socket]))
            await asyncio.wait([serving, asyncio.create_task(self._stop.wait())], return_when=asyncio.FIRST_COMPLETED)
            self.services.stopping = True
            until = monotonic() + drain_s
            http.end()
            await asyncio.gather(serving, *(face.stop(self.services, drain_s) for face in opened))
            opened.clear()
            await asyncio.to_thread(self.services.models.close, max(until - monotonic(), 0.0))
        finally:
            for face in opened:
                await face.stop(self.services, 0.0)


class _Http(uvicorn.Server):
    """uvicorn, saying when it has started, and stopping at once where there is nothing to finish."""

    def __init__(self, config: uvicorn.Config, services: Services, started: Future[None]) -> None:
        super().__init__(config)
        self._services = services
        self._told = started
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Make ``serve`` return once what was taken is finished."""
        self.should_exit = True
        self._ending.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell that it does."""
        await super().startup(sockets)
        self._told.set_result(None)

    async def main_loop(self) -> None:
        """Until the end is asked for."""
        while not await self.on_tick(0):  # sets the date of answers
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing more, finish what was taken within the time for that, and cut off the rest."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        until = monotonic() + self._services.settings.drain_s
        while (state.connections or state.tasks) and monotonic() < until:
            await asyncio.sleep(_DRAIN_TICK_S)
        late = list(state.tasks)
        self._services.counts["cut_off"] += len(late)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_TICK_S)


def _config(services: Services, app: App) -> uvicorn.Config:
    quiet = logging.getLogger("uvicorn")
    quiet.handlers[:] = [logging.NullHandler()]  # what it could tell, the call and the counters tell already
    quiet.propagate = False
    settings = services.settings
    config = uvicorn.Config(
        cast(Any, app),
        http=cast(Any, partial(LimitedProtocol, services)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=cast(int, settings.idle_timeout_s),
    )
    config.load()
    config.ssl = settings.tls.context() if settings.tls else None
    return config


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UnavailableError where the address cannot be had."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        cure = "name another address, or port 0 for any that is free"
        raise UnavailableError(f"cannot listen there: {error.strerror}", where=shown, cure=cure) from error
    listener.setblocking(False)
    return listener
