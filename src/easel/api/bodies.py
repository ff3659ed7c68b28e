"""What a request's body may be: so large, and so deep.

Bodies are counted as they come, whatever they said of themselves, and JSON is measured before anybody parses it. Knows
no fields.
"""

from __future__ import annotations

import asyncio
import json

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from easel.api.errors import Refused, Shapes
from easel.core.errors import BadValue, EaselError

SMALL = 8192  # bytes of a body from somebody who is not known yet
DEEPEST = 64  # lists and objects within each other
INLINE = 2**16  # bytes that are measured at once; more take a thread
PIECE = 2**20  # bytes that are measured in one go
OPENING, CLOSING, QUOTE = b"[{", b"]}", ord('"')


def check_depth(body: bytes) -> None:
    """Raise BadValue for JSON whose lists and objects are nested deeper than DEEPEST; nothing here calls itself."""
    if depth_of(body) > DEEPEST:
        raise BadValue("body", "nested deeper than that", f"lists and objects at most {DEEPEST} within each other")


def depth_of(body: bytes) -> int:
    """Return how deep JSON is nested, in time and memory by its length alone; of anything else any number."""
    import numpy

    # Within a string an escaped backslash ends before what follows it, and an escaped quote ends no string.
    plain = _in_utf8(body).replace(rb"\\", b"").replace(rb"\"", b"")
    signs = numpy.frombuffer(plain, numpy.uint8)
    level, deepest, inside = 0, 0, False
    steps = numpy.zeros(256, numpy.int32)
    steps[list(OPENING)], steps[list(CLOSING)] = 1, -1
    for start in range(0, len(signs), PIECE):
        piece = signs[start : start + PIECE]
        within = (numpy.cumsum(piece == QUOTE) + inside) % 2 == 1
        levels = level + numpy.cumsum(numpy.where(within, 0, steps[piece]))
        level, deepest, inside = int(levels[-1]), max(deepest, int(levels.max())), bool(within[-1])
    return deepest


class Bounded:
    """An app whose requests have bounds. largest: bytes of a body at most. unasked: paths that need no secret."""

    def __init__(self, app: ASGIApp, shapes: Shapes, largest: int, unasked: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._shapes = shapes
        self._largest = largest
        self._unasked = unasked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        largest = SMALL if scope["path"] in self._unasked else self._largest
        try:
            said = headers.get("content-length", "0")
            if said.isascii() and said.isdigit() and int(said[:20]) > largest:
                raise too_large(int(said[:20]), largest)
            if "content-length" not in headers and "transfer-encoding" not in headers:
                await self._app(scope, receive, send)
            elif headers.get("content-type", "").startswith("multipart/"):
                await self._streamed(scope, receive, send, largest)
            else:
                await self._app(scope, await whole(receive, largest), send)
        except EaselError as error:
            await self._shapes.answer(scope["path"], error)(scope, receive, send)

    async def _streamed(self, scope: Scope, receive: Receive, send: Send, largest: int) -> None:
        """Let an app read a body bit by bit; whatever it makes of one that is too large, the answer is ours."""
        size, began = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > largest:
                raise too_large(size, largest)
            return message

        async def ours(message: Message) -> None:
            nonlocal began
            if size <= largest or began:
                began = True
                await send(message)

        try:
            await self._app(scope, counted, ours)
        except Exception:
            if size <= largest or began:
                raise
        if size > largest and not began:
            raise too_large(size, largest)


def too_large(size: int, largest: int) -> Refused:
    """Return the error for a body. largest: bytes that are allowed."""
    allowed = f"{largest // 2**20} MiB; `easel serve --max-body` changes it" if largest > SMALL else f"{largest} bytes"
    return Refused(413, f"the body has {size} bytes or more, allowed is at most {allowed}.")


async def whole(receive: Receive, largest: int) -> Receive:
    """Read a body whole and return a `receive` that gives it again. Raises Refused, BadValue."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":  # the client has gone
            return _first(message, receive)
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > largest:
            raise too_large(size, largest)
    body = b"".join(parts)
    if size > INLINE:
        await asyncio.to_thread(check_depth, body)
    else:
        check_depth(body)
    return _first({"type": "http.request", "body": body, "more_body": False}, receive)


def _in_utf8(body: bytes) -> bytes:
    """Return JSON in UTF-8, which may also come in UTF-16 or UTF-32; what is neither stays as it is."""
    encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        return body
    return body.decode(encoding, "replace").encode(errors="replace")


def _first(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that gives a message before what comes next."""
    left = [message]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
