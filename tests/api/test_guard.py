"""The door: what answers carry, what pages may do, and that streams and web sockets come through it too."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from easel.api.errors import Shapes
from easel.api.guard import HEADERS, Guarded, under
from easel.api.security import Gate
from easel.api.users import Users, new_key

KEY, BOT = new_key("bot")
PAGES = ("/", "/en", "/files")


async def who(http: Request) -> Response:
    return JSONResponse({"name": http.state.caller.name})


async def page(http: Request) -> Response:
    return HTMLResponse("<p>")


async def asset(http: Request) -> Response:
    return PlainTextResponse("", media_type="text/css", headers={"ETag": '"1"'})


async def thumbnail(http: Request) -> Response:
    return Response(b"", media_type="image/webp", headers={"Cache-Control": "private, max-age=31536000, immutable"})


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(socket.state.caller.name)
    await socket.close()


def guarded(users: Users | None = None) -> Guarded:
    inner = Starlette(
        routes=[
            Route("/", page),
            Route("/theme.css", asset),
            Route("/gradio_api/who", who),
            WebSocketRoute("/ws", talk),
        ]
    )
    app = Starlette(routes=[Route("/", page), Route("/v1/who", who), Route("/files/a", thumbnail), Mount("/en", inner)])
    return Guarded(app, Gate(users, anywhere=True), Shapes({}), PAGES)


def ask(path: str, users: Users | None = None, **headers: str) -> httpx2.Response:
    async def asked() -> httpx2.Response:
        transport = httpx2.ASGITransport(guarded(users))
        async with httpx2.AsyncClient(transport=transport, base_url="http://home.example") as client:
            return await client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return asyncio.run(asked())


def test_prefixes_are_whole_parts_of_a_path() -> None:
    assert [under(path, PAGES) for path in ("/", "/en", "/en/", "/en/theme.css", "/files/a")] == [True] * 5
    assert [under(path, PAGES) for path in ("/v1/jobs", "/enough", "/login", "/fil", "")] == [False] * 5


def test_answers_to_programs_are_strict() -> None:
    answer = ask("/v1/who")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("path", ["/", "/en/", "/en/theme.css", "/en/gradio_api/who"])
def test_pages_run_their_own_programs_and_ask_nobody_else(path: str) -> None:
    policy = ask(path).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["form-action"] == "'self'" and rules["frame-ancestors"] == "'none'"
    assert "'unsafe-inline'" in rules["script-src"] and "blob:" in rules["img-src"]
    assert not [
        word for rule in rules.values() for word in rule.split() if "." in word or "*" in word or "http" in word
    ]
    assert ask(path).headers["referrer-policy"] == "same-origin"


def test_browsers_keep_assets_and_no_answers() -> None:
    kept = {
        path: ask(path).headers["cache-control"] for path in ("/en/theme.css", "/files/a", "/en/", "/en/gradio_api/who")
    }
    assert kept == {
        "/en/theme.css": "private",
        "/files/a": "private, max-age=31536000, immutable",
        "/en/": "no-store",
        "/en/gradio_api/who": "no-store",
    }


@pytest.mark.parametrize(
    "path", ["/", "/en/", "/en/theme.css", "/en/gradio_api/who", "/v1/who", "/files/a", "/nothing"]
)
def test_nothing_is_beside_the_gate(path: str) -> None:
    users = Users([BOT])
    assert ask(path, users).status_code == 401
    assert ask(path, users, authorization=f"Bearer {KEY}").status_code in (200, 404)


def test_mounted_apps_know_who_asks() -> None:
    assert ask("/en/gradio_api/who", Users([BOT]), authorization=f"Bearer {KEY}").json() == {"name": "bot"}


def join(users: Users | None, **headers: str) -> list[dict[str, Any]]:
    """Return what a server says to somebody who joins by a web socket."""
    said: list[dict[str, Any]] = []
    scope = {
        "type": "websocket",
        "path": "/en/ws",
        "raw_path": b"/en/ws",
        "root_path": "",
        "scheme": "ws",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()],
        "client": ("10.0.0.1", 1),
        "subprotocols": [],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(guarded(users)(scope, receive, send))
    return said


def test_web_sockets_come_through_the_gate() -> None:
    users = Users([BOT])
    right = {"host": "home.example", "authorization": f"Bearer {KEY}"}
    assert [one["type"] for one in join(users, **right)] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert join(users, host="home.example") == [{"type": "websocket.close", "code": 1008}]
    assert join(users, **right, origin="http://evil.example") == [{"type": "websocket.close", "code": 1008}]
    assert join(None, host="home.example", origin="http://evil.example")[0]["type"] == "websocket.close"
