"""A real HTTP server on localhost for tests: a function answers, and may misbehave on purpose."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: Any
    body: Any
    at_s: float


@dataclass
class Reply:
    """What goes out; `body` is JSON unless it is bytes."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    keep: int | None = None
    """Send so many bytes of the body and hang up."""
    reset: bool = False
    """Reset the connection instead of answering."""


Answer = Callable[[Request], Any]


class JsonServer:
    """Where it is, and what came in so far."""

    def __init__(self, answer: Answer, port: int) -> None:
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._answer = answer
        self._at_once = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._handle(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def process_request(self, request: socket.socket, address: Any) -> None:
                outer._connections.append(request)
                super().process_request(request, address)

            def handle_error(self, *_: object) -> None:
                """A client that hung up is no news here."""

        self._connections: list[socket.socket] = []
        self.server = Quiet(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Listen no more, and hang up on those who are connected."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        body = json.loads(handler.rfile.read(length)) if length else None
        request = Request(handler.command, handler.path, handler.headers, body, time.monotonic())
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = self._answer(request)
        finally:
            with self._lock:
                self._at_once -= 1
        self._send(handler, reply if isinstance(reply, Reply) else Reply(reply))

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(reply.after_s)
        if reply.reset:
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            handler.close_connection = True
            return
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[: reply.keep])
        if reply.keep is not None:
            handler.close_connection = True


@contextmanager
def serve(answer: Answer, *, port: int = 0) -> Iterator[JsonServer]:
    """A server for the time of a `with`."""
    running = JsonServer(answer, port)
    thread = threading.Thread(target=running.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join()
