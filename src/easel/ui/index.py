"""The one HTML file of the page, as a browser gets it: Gradio's, in our language, with our scripts before its own.

Gradio says its own words in the browser's language, knows a manifest that is not there, and names other hosts for those
who link to it. Knows no tabs.
"""

from __future__ import annotations

import gzip
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOREIGN = re.compile(r'\s*<(?:meta\s+(?:property|name)="(?:og|twitter):[^>]*|link rel="manifest"[^>]*)>')

LEVEL = 5  # of compression: a tenth of the size in a hundredth of a second


class Dressed:
    """Gradio's app with its HTML file changed. head: what stands at the beginning of the file's head."""

    def __init__(self, app: ASGIApp, language: str, head: str) -> None:
        self._app = app
        self._language = language
        self._head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].rstrip("/") != f"/{self._language}":
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body: list[bytes] = []

        async def kept(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.append(message.get("body", b""))
            if message.get("more_body"):
                return
            whole = b"".join(body)
            headers = MutableHeaders(scope=start)
            if headers.get("content-type", "").startswith("text/html") and scope["method"] == "GET":
                whole = self._dressed(whole.decode()).encode()
                if "gzip" in Headers(scope=scope).get("accept-encoding", ""):  # it holds every widget of the page
                    whole = gzip.compress(whole, LEVEL)
                    headers["content-encoding"] = "gzip"
                headers["vary"] = "Accept-Encoding"
                headers["content-length"] = str(len(whole))
            await send(start)
            await send({"type": "http.response.body", "body": whole})

        await self._app(scope, receive, kept)

    def _dressed(self, html: str) -> str:
        """Return the file in our language, with our head first and without what leads to other hosts."""
        html = FOREIGN.sub("", html.replace('lang="en"', f'lang="{self._language}"', 1))
        return html.replace("<head>", f"<head>\n{self._head}", 1)
