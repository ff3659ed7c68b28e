"""Who may come in: a name and a secret, or anybody from this machine; and nothing that another site's page asks for.

A header alone never says who somebody is: Basic brings a name with its password, Bearer a key. Nothing here knows what
is asked for; api/users.py keeps the secrets.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from easel.api.doors import Caller
from easel.api.errors import Refused, Shapes, in_our_words
from easel.api.users import Users
from easel.core.errors import BadValue, EaselError, Forbidden, TooManyTries, Unauthorised, shown

OPEN = frozenset(("/v1/healthz",))  # for load balancers: says whether the house lives, and nothing else
READING = frozenset(("GET", "HEAD", "OPTIONS"))
TRIES, WINDOW = 10, 60.0  # wrong secrets from one address, and in how many seconds
ADDRESSES = 10_000  # remembered at most

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def is_local(host: str) -> bool:
    """Return whether a name or an address is this machine's own, seen from itself alone."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def site(origin: str) -> str:
    """Return the origin of a site as browsers send it. Raises BadValue."""
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/") or parts.query:
        raise BadValue("--cors", origin, "a site such as https://example.org", remedy="* would let every page in")
    return f"{parts.scheme}://{parts.netloc.casefold()}"


class Gate:
    """Tells who asks. users: None lets everybody in, as one admin without a name.

    anywhere: whether the house may be called by any name; else only by names of this machine, so that no page of
    another site reaches it by a name that its owner points here (DNS rebinding). origins: sites whose pages may ask.
    clock: seconds.
    """

    def __init__(
        self,
        users: Users | None = None,
        *,
        anywhere: bool = False,
        origins: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users = users
        self._anywhere = anywhere or users is not None
        self._origins = origins
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    async def admit(self, method: str, headers: Headers, address: str) -> Caller:
        """Return who asks. Raises Unauthorised, Forbidden, TooManyTries."""
        self._check_names(method, headers)
        if self._users is None:
            return Caller()
        given = headers.get("authorization", "")
        known = self._users.remembered(given)
        if known is not None:
            return known
        if not given:
            raise Unauthorised("a name and password, or a key, is needed; send it as Basic or Bearer authorization.")
        self._check_failures(address)
        found = await asyncio.to_thread(known_by, self._users, given)
        if found is None:
            self._note_failure(address)
            raise Unauthorised("this name and password, or this key, is not known.")
        self._users.remember(given, found)
        return found

    def _check_names(self, method: str, headers: Headers) -> None:
        """Raise Forbidden where the house is called by a strange name, or by another site's page."""
        host = headers.get("host", "")
        if not self._anywhere and not is_local(named(f"//{host}")):
            raise Forbidden(f"this house is not called {shown(host)}; open it as localhost, or serve it with --listen.")
        origin = headers.get("origin")
        if method in READING or origin in self._origins:
            return
        if origin is not None and urlsplit(origin).netloc.casefold() != host.casefold():
            raise Forbidden(f"pages of {shown(origin)} may not ask; `easel serve --cors ORIGIN` lets them.")
        if origin is None and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Forbidden("pages of other sites may not ask; `easel serve --cors ORIGIN` lets them.")

    def _check_failures(self, address: str) -> None:
        """Raise TooManyTries for an address from which too many wrong secrets came."""
        since = self._clock() - WINDOW
        recent = [when for when in self._failures.get(address, ()) if when > since]
        if len(recent) >= TRIES:
            raise TooManyTries(int(recent[0] - since) + 1)

    def _note_failure(self, address: str) -> None:
        """Remember a wrong secret."""
        times = self._failures.setdefault(address, [])
        times.append(self._clock())
        del times[:-TRIES]
        self._failures.move_to_end(address)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)


def known_by(users: Users, given: str) -> Caller | None:
    """Return whom an Authorization header stands for, None for nobody; takes as long for either."""
    scheme, _, secret = given.partition(" ")
    match scheme.casefold():
        case "bearer":
            return users.by_key(secret.strip())
        case "basic":
            try:
                name, _, password = base64.b64decode(secret.strip(), validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
            return users.by_password(name, password)
        case _:
            return None


def named(url: str) -> str:
    """Return the host in a URL, "" where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class Guarded:
    """The app behind the gate: only who is admitted reaches a route, and every answer carries HEADERS.

    largest_body: bytes that a request may say it has; one that does not say is cut off further in.
    """

    def __init__(self, app: ASGIApp, gate: Gate, shapes: Shapes, largest_body: int) -> None:
        self._app = app
        self._largest_body = largest_body
        self._gate = gate
        self._shapes = shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["path"] not in OPEN:
            address = scope["client"][0] if scope.get("client") else ""
            try:
                caller = await self._gate.admit(scope["method"], Headers(scope=scope), address)
                self._check_size(Headers(scope=scope))
            except EaselError as error:
                response = self._shapes.answer(scope["path"], in_our_words(error))
                await response(scope, receive, send_with_headers)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send_with_headers)

    def _check_size(self, headers: Headers) -> None:
        """Raise Refused for a body that is said to be too large."""
        said = headers.get("content-length", "0")
        if said.isascii() and said.isdigit() and int(said[:20]) > self._largest_body:
            allowed = f"at most {self._largest_body // 2**20} MiB; `easel serve --max-body` changes it"
            raise Refused(413, f"the body has {int(said[:20])} bytes, allowed is {allowed}.")
