"""What streams are held against besides Zenoh: aioquic, one unidirectional stream with flow control out of the way.

A message is its length and its bytes. Those put in one turn of the loop share packets, as aioquic makes them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

from bench.stream_processes import say, to_ns_bytes
from weft.stream.identity import Identity

WINDOW = 2**30
"""Bytes that may be under way: only congestion holds the sender back."""

DATAGRAM = 1452
"""Bytes; as much as Zenoh's QUIC puts into a packet."""

TURN_BYTES = 64 * 1024
"""What is put before the loop may send."""


class _Counter(QuicConnectionProtocol):
    """Takes messages apart and counts them."""

    settings: dict[str, Any]
    done: asyncio.Future[dict[str, Any]]

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._data = bytearray()
        self._count = 0
        self._began = 0.0

    def quic_event_received(self, event: QuicEvent) -> None:
        """Data, perhaps the middle of a message."""
        if not isinstance(event, StreamDataReceived):
            return
        self._data += event.data
        at = 0
        while len(self._data) >= at + 4:
            end = at + 4 + int.from_bytes(self._data[at : at + 4], "little")
            if len(self._data) < end:
                break
            self._take(bytes(self._data[at + 4 : end]))
            at = end
        del self._data[:at]

    def _take(self, _payload: bytes) -> None:
        if self._count == self.settings["warm"]:
            self._began = time.perf_counter()
        self._count += 1
        if self._count == self.settings["warm"] + self.settings["count"]:
            report = {"count": self.settings["count"], "seconds": time.perf_counter() - self._began}
            self.done.set_result(report)


def receive(identity: Identity, settings: dict[str, Any]) -> None:
    """Listen, and tell how long the messages took."""
    asyncio.run(_receive(identity, settings))


def send(identity: Identity, settings: dict[str, Any]) -> None:
    """Connect, and send when told to."""
    asyncio.run(_send(identity, settings))


async def _receive(identity: Identity, settings: dict[str, Any]) -> None:
    _Counter.settings = settings
    _Counter.done = asyncio.get_running_loop().create_future()
    configuration = _configuration(identity, is_client=False)
    await serve("127.0.0.1", _port(settings), configuration=configuration, create_protocol=_Counter)
    say("ready")
    say(await _Counter.done)


async def _send(identity: Identity, settings: dict[str, Any]) -> None:
    configuration = _configuration(identity, is_client=True)
    async with connect("localhost", _port(settings), configuration=configuration) as protocol:
        _, writer = await protocol.create_stream(is_unidirectional=True)
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        length, fill = settings["size"].to_bytes(4, "little"), bytes(settings["size"] - 9)
        waiting = 0
        for _ in range(settings["warm"] + settings["count"]):
            writer.write(length + b"\0" + to_ns_bytes() + fill)
            if (waiting := waiting + settings["size"]) >= TURN_BYTES:
                waiting = 0
                await asyncio.sleep(0)
        await asyncio.to_thread(sys.stdin.read)


def _configuration(identity: Identity, *, is_client: bool) -> QuicConfiguration:
    configuration = QuicConfiguration(
        alpn_protocols=["bench"],
        is_client=is_client,
        max_data=WINDOW,
        max_stream_data=WINDOW,
        max_datagram_size=DATAGRAM,
    )
    configuration.load_verify_locations(cadata=identity.authority)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
        certificate.write_bytes(identity.certificate)
        key.write_bytes(identity.key)
        configuration.load_cert_chain(certificate, key)
    return configuration


def _port(settings: dict[str, Any]) -> int:
    return int(settings["where"].rsplit(":", 1)[1])
