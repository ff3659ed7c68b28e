"""The door itself: only who is admitted reaches a route, and every answer carries the headers that its path calls for.

Stands outside of every route, the page's and its streams' too. Who may come in is api/security.py's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from easel.api.errors import Shapes, in_our_words
from easel.api.security import Gate
from easel.core.errors import EaselError, Unauthorised

OPEN = frozenset(("/v1/healthz",))  # for load balancers: says whether the house lives, and nothing else
LOGIN, LOGOUT = "/login", "/logout"  # they ask for secrets themselves
UNASKED = OPEN | {LOGIN, LOGOUT}

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
# A page runs its own programs and styles, also inline ones, as Gradio writes and evaluates them, and asks nobody else.
PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# "same-origin": with "no-referrer" a browser sends `Origin: null` with a form, which the gate must refuse.
PAGE_HEADERS = {**HEADERS, "Referrer-Policy": "same-origin", "Content-Security-Policy": PAGE_POLICY}
CHANGING = ("text/html", "application/json", "text/event-stream")  # what of a page is never kept by a browser


def under(path: str, prefixes: tuple[str, ...]) -> bool:
    """Return whether a path is one of these, or below one of them; "/" is the front page alone."""
    return any(path == one or (one != "/" and path.startswith(f"{one.rstrip('/')}/")) for one in prefixes)


class Guarded:
    """An app behind the gate. pages: the paths below which people look at pages, and not programs at answers."""

    def __init__(self, app: ASGIApp, gate: Gate, shapes: Shapes, pages: tuple[str, ...] = ()) -> None:
        self._app = app
        self._gate = gate
        self._shapes = shapes
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match scope["type"]:
            case "http":
                await self._answer(scope, receive, self._with_headers(scope, send))
            case "websocket":
                await self._join(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, headers = scope["path"], Headers(scope=scope)
        try:
            if path in (LOGIN, LOGOUT):
                self._gate.check_names(scope["method"], headers)
            elif path not in OPEN:
                await self._admit(scope, scope["method"])
        except EaselError as error:
            await self._refusal(scope, headers, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let somebody join by a web socket, which other sites' pages may open too; so it counts as no reading."""
        try:
            await self._admit(scope, "CONNECT")
        except EaselError:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, method: str) -> None:
        """Note who asks. Raises AccessError."""
        address = scope["client"][0] if scope.get("client") else ""
        secure = scope.get("scheme") in ("https", "wss")
        caller = await self._gate.admit(method, Headers(scope=scope), address, secure)
        scope.setdefault("state", {})["caller"] = caller

    def _refusal(self, scope: Scope, headers: Headers, error: EaselError) -> Response:
        """Return the answer to who may not come in; people who want to look at a page are shown where to sign in."""
        looking = scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", "")
        if looking and isinstance(error, Unauthorised) and "authorization" not in headers:
            return RedirectResponse(f"{LOGIN}?next={quote(asked_in(scope), safe='')}", 303)
        return self._shapes.answer(scope["path"], in_our_words(error))

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        """Return a `send` that adds the headers which a route has not set itself."""
        page = under(scope["path"], self._pages)
        by_program = "sec-fetch-mode" in Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if by_program and message["status"] == 401:
                    # For Basic a browser would ask by a window of its own, in the middle of a page.
                    headers["WWW-Authenticate"] = 'Bearer realm="Easel"'
                for name, value in policy(page, headers.get("content-type", "")).items():
                    headers.setdefault(name, value)
            await send(message)

        return send_with_headers


def policy(page: bool, kind: str) -> Mapping[str, str]:
    """Return the headers of an answer. page: it is a page's. kind: its media type."""
    if not page:
        return HEADERS
    if kind.startswith(CHANGING):
        return PAGE_HEADERS
    return {**PAGE_HEADERS, "Cache-Control": "private"}


def asked_in(scope: Scope) -> str:
    """Return the path and query that were asked for, as they came."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"")
    return (raw + (b"?" + query if query else b"")).decode("latin-1")
