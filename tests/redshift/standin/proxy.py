"""Between redshift_connector and PostgreSQL: a relay that may change statements.

What the client sends is read message by message. Start-up parameters that PostgreSQL does not know
are dropped; the text of each statement goes through `translate`, which may also name a task that is
to be done once PostgreSQL has executed the statement, before the client is told.
https://www.postgresql.org/docs/16/protocol-message-formats.html
"""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from typing import BinaryIO

SSL_REQUEST, GSS_REQUEST, PROTOCOL_3 = 80877103, 80877104, 196608
KNOWN_PARAMETERS = {b"user", b"database", b"application_name"}
# the driver compares versions, and Redshift's answer is this one
SERVER_VERSION = b"8.0.2"

Task = Callable[[], None]
# statement -> what PostgreSQL is to execute, and what is to be done then
Translate = Callable[[str], tuple[str, Task | None]]


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def read_message(stream: BinaryIO) -> tuple[bytes, bytes]:
    kind, size = struct.unpack("!cI", read_exactly(stream, 5))
    return kind, read_exactly(stream, size - 4)


def message(kind: bytes, body: bytes) -> bytes:
    return struct.pack("!cI", kind, len(body) + 4) + body


class Session(socketserver.StreamRequestHandler):
    """One connection of a client, with one of its own to PostgreSQL."""

    server: "Proxy"

    def handle(self) -> None:
        self.tasks: dict[bytes, Task | None] = {}
        self.bound = b""
        try:
            if start_up := self.read_start_up():
                self.relay(start_up)
        except (EOFError, OSError):
            pass  # either side has hung up

    def read_start_up(self) -> bytes | None:
        while True:
            (size,) = struct.unpack("!I", read_exactly(self.rfile, 4))
            body = read_exactly(self.rfile, size - 4)
            (code,) = struct.unpack("!I", body[:4])
            if code in (SSL_REQUEST, GSS_REQUEST):
                self.connection.sendall(b"N")
            elif code == PROTOCOL_3:
                fields = body[4:].split(b"\0")
                known = b"".join(
                    name + b"\0" + value + b"\0"
                    for name, value in zip(fields[::2], fields[1::2], strict=False)
                    if name in KNOWN_PARAMETERS
                )
                return struct.pack("!II", len(known) + 9, PROTOCOL_3) + known + b"\0"
            else:  # asks to cancel a statement; there is no answer
                with socket.create_connection(self.server.backend) as backend:
                    backend.sendall(struct.pack("!I", size) + body)
                return None

    def relay(self, start_up: bytes) -> None:
        with socket.create_connection(self.server.backend) as backend:
            for end in (backend, self.connection):
                # messages are small, and each waits for the answer to the last one
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            backend.sendall(start_up)
            answers = threading.Thread(target=self.relay_answers, args=(backend,), daemon=True)
            answers.start()
            try:
                while True:
                    backend.sendall(self.translated(*read_message(self.rfile)))
            finally:
                backend.shutdown(socket.SHUT_WR)
                answers.join()

    def translated(self, kind: bytes, body: bytes) -> bytes:
        if kind == b"P":
            name, sql, types = body.split(b"\0", 2)
            text, self.tasks[name] = self.server.translate(sql.decode())
            body = b"\0".join((name, text.encode(), types))
        elif kind == b"B":
            self.bound = body.split(b"\0", 2)[1]
        elif kind == b"Q":
            text, task = self.server.translate(body[:-1].decode())
            assert task is None, "the driver sends no such statement in the simple protocol"
            body = text.encode() + b"\0"
        return message(kind, body)

    def relay_answers(self, backend: socket.socket) -> None:
        try:
            with backend.makefile("rb") as stream:
                waiting = bytearray()
                while True:
                    kind, body = read_message(stream)
                    if kind == b"S" and body.startswith(b"server_version\0"):
                        body = b"server_version\0" + SERVER_VERSION + b"\0"
                    elif kind == b"C" and (task := self.tasks.get(self.bound)):
                        task()
                    waiting += message(kind, body)
                    # rows come in crowds
                    if kind != b"D" or len(waiting) > 65536:
                        self.connection.sendall(waiting)
                        waiting.clear()
        except (EOFError, OSError):
            pass
        finally:
            self.connection.close()


class Proxy(socketserver.ThreadingTCPServer):
    """Listens on a free port of the loopback interface while its context lasts."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, backend: tuple[str, int], translate: Translate) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.backend = backend
        self.translate = translate

    @property
    def port(self) -> int:
        return self.server_address[1]

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()
