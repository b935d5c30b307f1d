"""The endpoints of the gateway."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from surefoot.errors import SurefootError, UsageError
from surefoot.serve.answers import Reply, chunks, completion, event, opening
from surefoot.serve.asked import read_request
from surefoot.serve.engine import ClosedError, Engine, Found, FullError
from surefoot.serve.menu import AUTO, DEFAULT_N
from surefoot.serve.orders import House, Order, order_of
from surefoot.serve.refusals import Refusal

CLIENT_GONE = 499
"""Nobody reads this status."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Who is let in, and with how much."""

    token: str | None = None
    """What clients must bring; None lets everyone in."""
    max_bytes: int = 2**20
    """Of a request."""
    body_s: float = 30.0
    """For a request to arrive."""
    keep_alive_s: float = 10.0
    """Between two signs of life in a stream."""


def build_app(engine: Engine, house: House, door: Door) -> FastAPI:
    """The application: `/v1/chat/completions`, `/v1/models`, `/health` and `/metrics`."""
    app = FastAPI(title="Surefoot gateway", docs_url=None, redoc_url=None, openapi_url=None)
    begun = time.time()

    def let_in(request: Request) -> None:
        given = request.headers.get("authorization", "")
        expected = f"Bearer {door.token}"
        if door.token is not None and not hmac.compare_digest(given.encode(), expected.encode()):
            raise Refusal(
                401,
                "the token is missing or wrong; send Authorization: Bearer TOKEN",
                code="invalid_api_key",
            )

    api = APIRouter(dependencies=[Depends(let_in)])

    @api.post("/v1/chat/completions")
    @api.post("/v1/{place}/chat/completions")
    async def chat(request: Request, place: str | None = None) -> Response:
        asked = read_request(await _body(request, door))
        order = order_of(asked, house, request.headers, place)
        future = _submit(engine, order)
        reply = Reply(order)
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            events = _events(reply, future, door.keep_alive_s, usage=usage)
            headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        if not await _is_awaited(request, future):
            return Response(status_code=CLIENT_GONE)
        return JSONResponse(completion(reply, _found(future)))

    @api.get("/v1/models")
    @api.get("/v1/{place}/models")
    async def models(place: str | None = None) -> dict[str, Any]:
        names = (AUTO, *house.offers)
        return {"object": "list", "data": [_card(name, house, begun) for name in names]}

    @api.get("/v1/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        if name != AUTO and name not in house.offers:
            raise Refusal(404, f"there is no model {name[:80]!r}", code="model_not_found")
        return _card(name, house, begun)

    @app.get("/health")
    async def health() -> JSONResponse:
        alive = engine.alive
        return JSONResponse({"status": "ok" if alive else "closed"}, 200 if alive else 503)

    @api.get("/metrics")
    async def metrics() -> dict[str, Any]:
        counts = {one.name: getattr(engine.counts, one.name) for one in fields(engine.counts)}
        return {**counts, "under_way": len(engine), "up_seconds": time.time() - begun}

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return JSONResponse(refusal.to_json(), refusal.status, refusal.headers())

    @app.exception_handler(HTTPException)
    async def lost(request: Request, error: HTTPException) -> JSONResponse:
        what = f"{request.method} {request.url.path[:200]}: {error.detail}"
        return JSONResponse(Refusal(error.status_code, what).to_json(), error.status_code)

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> JSONResponse:
        refusal = Refusal(500, "a fault of the server; its log says more")
        return JSONResponse(refusal.to_json(), 500)

    app.include_router(api)
    return app


def _card(name: str, house: House, begun: float) -> dict[str, Any]:
    """A method as a model of the protocol."""
    said = f"what this server does by itself: {house.default}"
    if name != AUTO:
        numbers = f"n is {DEFAULT_N}, or {name}-n for n up to {house.max_n}"
        said = f"{house.offers[name].summary}; {numbers}"
    card = {"id": name, "object": "model", "created": int(begun), "owned_by": "surefoot"}
    return {**card, "description": said}


async def _body(request: Request, door: Door) -> bytes:
    """The body of a request.

    Raises:
        Refusal: 413 or 408; it is too large, or too slow.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(door.body_s):
            async for piece in request.stream():
                body += piece
                if len(body) > door.max_bytes:
                    raise Refusal(413, f"the request has more than {door.max_bytes:,} bytes")
    except TimeoutError:
        raise Refusal(408, f"the request did not arrive within {door.body_s:g} s") from None
    return bytes(body)


def _submit(engine: Engine, order: Order) -> asyncio.Future[Found]:
    try:
        return asyncio.wrap_future(engine.submit(order.task, order.method, order.settings))
    except FullError as error:
        counts = engine.counts
        mean_s = counts.seconds / max(1, counts.ended.total())
        retry_s = min(30, max(1, math.ceil(mean_s)))
        raise Refusal(429, f"{error}; ask again later", code="busy", retry_s=retry_s) from None
    except ClosedError as error:
        raise Refusal(503, str(error), code="closed", retry_s=1) from None


async def _is_awaited(request: Request, future: asyncio.Future[Found]) -> bool:
    """Wait until a search has ended; false if the client has gone first, which ends it."""

    async def leave() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    gone: asyncio.Future[None] = asyncio.ensure_future(leave())
    waited: list[asyncio.Future[Any]] = [gone, future]
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        return future.done()
    finally:
        gone.cancel()
        future.cancel()


def _found(future: asyncio.Future[Found]) -> Found:
    """What a search that has ended found.

    Raises:
        Refusal: it failed.
    """
    try:
        return future.result()
    except UsageError as error:
        raise Refusal(400, str(error)) from error
    except SurefootError as error:
        raise Refusal(500, f"the search failed: {error}", code="search_failed") from error
    except RuntimeError as error:
        said = "the search failed; the log of the server says more"
        raise Refusal(500, said, code="search_failed") from error


async def _events(
    reply: Reply, future: asyncio.Future[Found], keep_alive_s: float, *, usage: bool
) -> AsyncIterator[bytes]:
    """A stream: signs of life while the search goes on, then its answer; a client that goes away
    ends both."""
    try:
        yield event(opening(reply))
        while not (await asyncio.wait([future], timeout=keep_alive_s))[0]:
            yield b": searching\n\n"
        try:
            for chunk in chunks(reply, _found(future), 0, usage=usage):
                yield event(chunk)
        except Refusal as refusal:
            yield event(refusal.to_json())
        yield b"data: [DONE]\n\n"
    finally:
        future.cancel()
