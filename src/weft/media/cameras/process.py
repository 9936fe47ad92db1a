"""A camera's decoder as its owner sees it: started, asked for pictures, killed, and never left behind."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys

from weft.core.errors import UnavailableError, WeftError
from weft.media.cameras.messages import MAX_MESSAGE, NEXT, Job, Message, packed, unpacked
from weft.media.cameras.slot import Slot

FAREWELL_S = 1.0
"""Seconds a decoder has to end by itself when it is not wanted any more."""

REAP_S = 2.0
"""Seconds within which a killed process is gone, unless it hangs in the kernel."""

_DECODER = "weft.media.cameras.decoder"
_log = logging.getLogger(__name__)


class Decoder:
    """The process that decodes one connection to a camera.

    The job, with the password that may be in it, goes through the socket: nobody sees it in a list of processes.
    Raises UnavailableError where no process can be started.
    """

    def __init__(self, job: Job) -> None:
        self.slot = Slot()
        self._shown = job.shown
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = _spawn(theirs.fileno(), self.slot.descriptor)
            self._socket.send(packed(job))
        except OSError as error:
            self._socket.close()
            self.slot.close()
            what = f"its decoder cannot be started: {error.strerror}"
            raise UnavailableError(what, where=job.shown, cure="check the limits on processes and memory") from error

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def fileno(self) -> int:
        """Readable when there is something to receive."""
        return self._socket.fileno()

    def ask(self) -> None:
        """Ask for a picture, the next or the oldest of those that wait. What is gone is told by :meth:`receive`."""
        try:
            self._socket.send(NEXT)
        except OSError:
            _log.debug("%s: its decoder is gone", self._shown)

    def receive(self) -> Message | None:
        """What it said; None when it will not say any more. Waits. Raises ValueError for what makes no sense."""
        try:
            data = self._socket.recv(MAX_MESSAGE)
        except ConnectionResetError:  # told once where it left something unheard; what it said comes after that
            data = self._socket.recv(MAX_MESSAGE)
        return unpacked(data) if data else None

    def kill(self) -> None:
        """End it at once, whatever it hangs in."""
        self._process.kill()

    def reaped(self) -> bool:
        """Whether it is gone, after being killed or having closed its socket; waits up to ``REAP_S``."""
        try:
            self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def cause(self) -> WeftError:
        """How it ended, as the camera's trouble, where it did not say so itself."""
        code = self._process.returncode
        how = f"was killed by {_signal_name(-code)}" if code and code < 0 else f"ended with code {code}"
        cure = "the camera is tried again; what it sends may be damaged, or the machine short of memory"
        return UnavailableError(f"its decoder {how}", where=self._shown, cure=cure)

    def close(self, farewell_s: float = FAREWELL_S) -> None:
        """Let it say goodbye to the camera, and kill it where that takes longer than ``farewell_s``."""
        self._socket.close()
        try:
            self._process.wait(farewell_s)
        except subprocess.TimeoutExpired:
            self.kill()
            if not self.reaped():
                _log.warning("%s: its decoder %d hangs in the kernel and is left behind", self._shown, self.pid)
        self.slot.close()


def _spawn(theirs: int, memory: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-P", "-m", _DECODER, str(theirs), str(memory)]
    nowhere = subprocess.DEVNULL
    # A session of its own: Ctrl-C on the terminal is for its owner alone, who says goodbye.
    return subprocess.Popen(
        words, stdin=nowhere, stdout=nowhere, stderr=nowhere, pass_fds=(theirs, memory), start_new_session=True
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
