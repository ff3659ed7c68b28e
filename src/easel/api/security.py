"""Who may come in: a name and a secret, a session, anybody from this machine; and nothing that another site asks for.

A header alone never says who somebody is: Basic brings a name with its password, Bearer a key, a cookie a session that
one of them began. Nothing here knows what is asked for; api/users.py keeps the secrets, api/guard.py stands before the
routes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers

from easel.api.sessions import Sessions, token_in
from easel.api.tries import Tries, Try
from easel.api.users import Users
from easel.core.caller import Caller
from easel.core.errors import BadValue, Forbidden, Unauthorised, shown

log = logging.getLogger("easel.api")

READING = frozenset(("GET", "HEAD", "OPTIONS"))
LOOKERS = 2  # secrets looked at at once; each takes 64 MiB and a core for a moment

NEEDED = "a name and password, or a key, is needed; send it as Basic or Bearer authorization, or sign in at /login."
UNKNOWN = "this name and password, or this key, is not known."
OWN_PAGE = "with a session only pages of this server may ask; programs send Basic or Bearer authorization."


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
    parts = parts_of(origin)
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
        self.sessions = Sessions(clock)
        self._users = users
        self._anywhere = anywhere or users is not None
        self._origins = origins
        self._tries = Tries(clock)
        self._lookers = ThreadPoolExecutor(LOOKERS, "secrets")
        self._looking: dict[bytes, asyncio.Task[Caller | None]] = {}

    @property
    def asks(self) -> bool:
        """Whether the house asks for names."""
        return self._users is not None

    async def admit(self, method: str, headers: Headers, address: str, secure: bool = False) -> Caller:
        """Return who asks. secure: by https. Raises Unauthorised, Forbidden, TooManyTries."""
        self.check_names(method, headers)
        if self._users is None:
            return Caller()
        if given := headers.get("authorization", ""):
            return await self.known(given, address)
        found = self.sessions.caller(token_in(headers, secure))
        if found is None:
            raise Unauthorised(NEEDED)
        if method not in READING:
            self.check_own_page(headers, secure)
        return found

    async def known(self, given: str, address: str) -> Caller:
        """Return whom an Authorization header stands for. Raises Unauthorised, TooManyTries.

        From an address with too many wrong secrets no password is looked at, right or wrong, or it could still be
        guessed; keys cannot, and those that were right pass.
        """
        if self._users is None:
            return Caller()
        name, secret = parts_in(given)
        if name is not None:
            self._tries.check(address)
        mark = self._users.mark(given, address)
        if (right := self._users.remembered(mark)) is not None:
            return right
        task = self._looking.get(mark)
        if task is None:  # else the same is looked at this moment: a page that loads asks many times at once
            one = self._tries.begin(address, name)
            task = asyncio.create_task(self._look(self._users, name, secret, mark, one))
            self._looking[mark] = task
            task.add_done_callback(lambda _: self._looking.pop(mark, None))
        found = await asyncio.shield(task)
        if found is None:
            raise Unauthorised(UNKNOWN)
        return found

    async def _look(self, users: Users, name: str | None, secret: str, mark: bytes, one: Try) -> Caller | None:
        """Return whose secret it is, and remember that it was right; as slow for a wrong one."""
        found = await asyncio.get_running_loop().run_in_executor(self._lookers, users.known, name, secret)
        if found is None:
            log.warning("a wrong password or key came from %s", mark_place(one))
            return None
        self._tries.forgive(one)
        users.remember(mark, found)
        return found

    def check_names(self, method: str, headers: Headers) -> None:
        """Raise Forbidden where the house is called by a strange name, or by another site's page."""
        host = headers.get("host", "")
        if not self._anywhere and not is_local(parts_of(f"//{host}").hostname or ""):
            raise Forbidden(f"this house is not called {shown(host)}; open it as localhost, or serve it with --listen.")
        origin = headers.get("origin")
        if method in READING or origin in self._origins:
            return
        if origin is not None and parts_of(origin).netloc.casefold() != host.casefold():
            raise Forbidden(f"pages of {shown(origin)} may not ask; `easel serve --cors ORIGIN` lets them.")
        if origin is None and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Forbidden("pages of other sites may not ask; `easel serve --cors ORIGIN` lets them.")

    def check_own_page(self, headers: Headers, secure: bool) -> None:
        """Raise Forbidden unless the browser says that a page of this very server asks.

        A cookie comes along whoever asks, so that what changes something needs more than that (CSRF). Says the browser
        neither Origin nor Sec-Fetch-Site, nobody is let in.
        """
        origin, asked = headers.get("origin"), headers.get("sec-fetch-site")
        if asked not in (None, "same-origin") or (origin is None and asked is None):
            raise Forbidden(OWN_PAGE)
        if origin is None:
            return
        parts = parts_of(origin)
        schemes = ("https",) if secure else ("http", "https")  # a tunnel may bring https here as http
        if parts.scheme not in schemes or parts.netloc.casefold() != headers.get("host", "").casefold():
            raise Forbidden(OWN_PAGE)


def parts_in(given: str) -> tuple[str | None, str]:
    """Return the name, None for a key alone, and the secret in an Authorization header; ("", "") for nonsense."""
    scheme, _, secret = given.partition(" ")
    match scheme.casefold():
        case "bearer":
            return None, secret.strip()
        case "basic":
            try:
                name, _, password = base64.b64decode(secret.strip(), validate=True).decode().partition(":")
            except (binascii.Error, ValueError):
                return "", ""
            return name, password
        case _:
            return "", ""


def header_of(name: str, secret: str) -> str:
    """Return the Authorization header of a name and its secret, or of a key alone where the name is empty."""
    if not name:
        return f"Bearer {secret}"
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode(errors='replace')).decode()}"


def mark_place(one: Try) -> str:
    """Return where a try came from, for the log; its name is not told, it may be a password in the wrong field."""
    return one.keys[0].removeprefix("at ")


def parts_of(url: str) -> SplitResult:
    """Return a URL's parts, empty ones where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
