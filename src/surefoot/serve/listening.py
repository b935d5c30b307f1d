"""A server process: it listens, and at the first signal to end finishes what is under way."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from surefoot.serve.engine import Engine


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def address(listening: socket.socket) -> str:
    """Where a socket listens, as the `base_url` of a client."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


class Server(uvicorn.Server):
    """A server of an application and its engine.

    At the first SIGTERM or SIGINT no more is taken in, what is under way has `grace_s` seconds, and
    then ends with what it has; a second one ends all at once.

    Args:
        app: What answers.
        engine: What searches.
        grace_s: Seconds for what is under way.
        on_start: Called when it listens.
    """

    def __init__(
        self, app: FastAPI, engine: Engine, grace_s: float, on_start: Callable[[], None]
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._engine, self._grace_s, self._on_start = engine, grace_s, on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._on_start()

    def end(self) -> None:
        """Finish what is under way, and stop listening."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End: uvicorn would raise the signal again when all is done."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        self._engine.close(self._grace_s)
