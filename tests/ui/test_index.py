"""The page's HTML file: in the page's language, with our head first, and nothing in it that leads elsewhere."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from easel.ui.index import Dressed

FILE = """<!doctype html>
<html lang="en"><head>
<meta property="og:image" content="https://elsewhere.example/picture.jpg" />
<meta
    name="twitter:image"
    content="https://elsewhere.example/picture.jpg"
/>
<link rel="manifest" href="/manifest.json" />
<title>x</title></head><body>나무</body></html>"""


def asked(app: ASGIApp, path: str, method: str = "GET", **headers: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of an answer."""
    said: list[Any] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(app(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return found, b"".join(message.get("body", b"") for message in said[1:])


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await (HTMLResponse(FILE) if "ko" in scope["path"] else PlainTextResponse(FILE))(scope, receive, send)


@pytest.mark.parametrize("path", ["/ko", "/ko/"])
def test_the_file_is_in_our_language_with_our_head_first(path: str) -> None:
    headers, body = asked(Dressed(page, "ko", "<script>1</script>"), path)
    assert b'<html lang="ko"><head>\n<script>1</script>' in body
    assert b"elsewhere" not in body
    assert b"manifest" not in body
    assert "나무" in body.decode()
    assert int(headers["content-length"]) == len(body)


def test_it_is_compressed_for_who_can_read_that() -> None:
    headers, body = asked(Dressed(page, "ko", ""), "/ko/", accept_encoding="gzip, br")
    assert headers["content-encoding"] == "gzip"
    assert int(headers["content-length"]) == len(body)
    assert "나무" in gzip.decompress(body).decode()


def test_other_files_are_as_they_are() -> None:
    assert asked(Dressed(page, "ko", "<b>"), "/en/")[1] == FILE.encode()
    assert asked(Dressed(page, "ko", "<b>"), "/ko/assets/x.js")[1] == FILE.encode()
