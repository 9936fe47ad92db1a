"""A real broker, Debian's mosquitto, on a port of this machine, and somebody who publishes to it."""

from __future__ import annotations

import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tools.languages import program_found

WAIT_S = 60.0
PORTS = (20_000, 32_000)
"""Below those that the kernel gives to whoever asks for any."""


def mosquitto() -> str | None:
    """Where it is."""
    return program_found("mosquitto")


class Broker:
    """It runs from :meth:`start` to :meth:`stop`, and may be started again on the same port.

    Attributes:
        port: where it listens.
        lines: what it has logged.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = 0
        self.lines: list[str] = []
        self._folder = folder
        self._settings = settings
        self._changed = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Broker:
        """Return when it listens."""
        for port in [self.port] if self.port else random.sample(range(*PORTS), 20):
            if self._started(port):
                self.port = port
                return self
        raise AssertionError(f"the broker does not start: {self.lines}")

    def stop(self) -> None:
        """Kill it, without a word to anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._reader.join(WAIT_S)
            self._process = None

    def hear(self, text: str, times: int = 1) -> None:
        """Wait until it has logged a text so often."""
        with self._changed:
            heard = self._changed.wait_for(lambda: sum(text in line for line in self.lines) >= times, WAIT_S)
        assert heard, f"no '{text}' in {self.lines}"

    @contextmanager
    def publisher(self, user: str | None = None, password: str | None = None) -> Iterator[Publisher]:
        """Somebody who is connected."""
        with ExitStack() as stack:
            publisher = Publisher(self.port, user, password)
            stack.callback(publisher.close)
            yield publisher

    def _started(self, port: int) -> bool:
        path = self._folder / "mosquitto.conf"
        listening = () if any(line.startswith("listener ") for line in self._settings) else ("listener PORT 127.0.0.1",)
        lines = ["user root", "log_type all", *listening, *self._settings]
        path.write_text("".join(f"{line}\n" for line in lines).replace("PORT", str(port)))
        program = mosquitto()
        assert program is not None
        self.lines.clear()
        self._process = subprocess.Popen([program, "-c", str(path)], stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        with self._changed:
            self._changed.wait_for(lambda: any(" running" in line or line == "" for line in self.lines), WAIT_S)
            running = any(" running" in line for line in self.lines)
        if not running:
            self.stop()
        return running

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self._heard(line)
        self._heard("")

    def _heard(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()


class Publisher:
    """Publishes with MQTT 5, and returns when the broker has it."""

    def __init__(self, port: int, user: str | None, password: str | None) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, content_type: str = "", **users: str
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
        if content_type:
            properties.ContentType = content_type
        if users:
            properties.UserProperty = list(users.items())
        self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def speaking(*conversations: list[tuple[int, bytes]]) -> Iterator[int]:
    """A server that takes a connection for each conversation, reads at least so many bytes, and answers.

    It keeps the connections open until the end, but for a conversation that ends with nothing to answer. Its port.
    """
    ends = threading.Event()

    def talk(connection: socket.socket, conversation: list[tuple[int, bytes]]) -> None:
        for wanted, answer in conversation:
            got = 0
            while got < wanted and (piece := connection.recv(4096)):
                got += len(piece)
            connection.sendall(answer)
        if not conversation or conversation[-1][1]:
            ends.wait(WAIT_S)

    def serve() -> None:
        for conversation in conversations:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            with connection:
                talk(connection, conversation)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ends.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(WAIT_S)
