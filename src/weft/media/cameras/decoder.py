"""The decoder's process: ``python -m weft.media.cameras.decoder SOCKET MEMORY``, both numbers of descriptors.

It takes one job, decodes, and lays a picture into the shared memory each time one is wanted. It may be killed at
any moment. It never outlives its owner: it ends when the socket does, and where even that thread of it hangs, by an
alarm of the kernel's that nobody winds up any more.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import threading

import av

from weft.core.address import redacted
from weft.core.clock import now_ns
from weft.core.errors import UnavailableError, WeftError
from weft.media.cameras.capture import Capture
from weft.media.cameras.desk import Desk
from weft.media.cameras.messages import MAX_MESSAGE, NEXT, Ended, Job, Lost, Message, Shown, packed, unpacked
from weft.media.cameras.slot import Slot

GRACE_S = 0.5
"""Seconds for telling a camera goodbye when nobody wants it any more."""

WIND_S, ALARM_S = 5.0, 30.0
"""The alarm is wound up so often, and kills after so long without."""

MAX_MEMORY = 4 * 2**30
"""Bytes of address space; a stream that makes FFmpeg want more loses its decoder."""

_Timed = tuple[av.VideoFrame, int]


class Program:
    """One job, from its packet to the end of the process."""

    def __init__(self, owner: socket.socket, slot: Slot) -> None:
        self._owner = owner
        self._slot = slot
        self._stop = threading.Event()
        self._desk: Desk[_Timed] = Desk(self._give)
        job = unpacked(owner.recv(MAX_MESSAGE))
        if not isinstance(job, Job):
            raise TypeError("the first packet is no job")
        self._job = job
        self._capture = Capture(job, self._stop)

    def run(self) -> None:
        """Decode until the camera, the file or the owner ends."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            for picture in self._capture.pictures():
                self._desk.put((_plain(picture), now_ns()))
            self._last(Ended())
        except WeftError as error:
            self._last(Lost.of(error))
        except Exception as error:  # noqa: BLE001 - PyAV raises what it likes; the owner must hear of it
            what = redacted(f"its decoder failed: {type(error).__name__}: {error}")
            self._last(Lost.of(UnavailableError(what, cure="tell where Weft comes from; the camera is tried again")))

    def _last(self, message: Message) -> None:
        self._desk.drain()
        self._send(message)

    def _listen(self) -> None:
        """Hear what the owner wants; when it is gone, or wants no more, the process ends soon."""
        poll = select.poll()
        poll.register(self._owner, select.POLLIN)
        wanted = True
        while wanted:
            signal.setitimer(signal.ITIMER_REAL, ALARM_S)
            if poll.poll(WIND_S * 1000) and (wanted := self._told() == NEXT):
                self._desk.want()
        self._stop.set()
        self._desk.close()
        threading.Event().wait(GRACE_S)
        os._exit(0)

    def _told(self) -> bytes:
        try:
            return self._owner.recv(MAX_MESSAGE)
        except OSError:  # as good as its end
            return b""

    def _give(self, timed: _Timed, dropped: int) -> None:
        picture, time_ns = timed
        planes = [(plane.line_size, plane.height) for plane in picture.planes]
        self._slot.write([memoryview(plane) for plane in picture.planes])
        colours = (picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc)
        matrix, span, primaries, transfer = map(int, colours)
        self._send(
            Shown(
                width=picture.width,
                height=picture.height,
                format=picture.format.name,
                planes=tuple(planes),
                colours=(matrix, span, primaries, transfer),
                rotation=picture.rotation,
                time_ns=time_ns,
                dropped=dropped,
                damaged=self._capture.damaged,
            )
        )

    def _send(self, message: Message) -> None:
        try:
            self._owner.send(packed(message))
        except OSError:  # the owner is gone
            self._stop.set()


def _plain(picture: av.VideoFrame) -> av.VideoFrame:
    """The picture, in a format whose planes are bytes in rows: not one with a palette, or upside down."""
    plain = not picture.format.has_palette and all(plane.line_size > 0 for plane in picture.planes)
    return picture if plain else picture.reformat(format="rgb24")


def main(arguments: list[str]) -> None:
    """Take the descriptors, decode, end."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what a camera sees belongs into no file
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    owner, memory = map(int, arguments)
    Program(socket.socket(fileno=owner), Slot(memory)).run()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
