"""Sessions of browsers: a cookie with a random token, of which only a hash is kept, in memory alone.

A session ends when nobody used it for IDLE, at the latest after LONGEST, by `POST /logout`, and with the server: after
a restart everybody signs in again, so that who was taken out of the users' file is out. Knows no secrets.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from easel.core.caller import Caller

TOKEN_BYTES = 32
IDLE = 12 * 3600.0  # seconds
LONGEST = 7 * 24 * 3600.0  # seconds
PER_NAME = 100  # sessions; the one that was not used for longest ends for a new one

PLAIN = "easel_session"
LOCKED = "__Host-easel_session"  # a name that browsers let only this very host set, and only over https


@dataclass(slots=True)
class Session:
    """One browser that is in. began, seen: seconds."""

    caller: Caller
    began: float
    seen: float

    def ended(self, now: float) -> bool:
        """Return whether it is over."""
        return now - self.seen > IDLE or now - self.began > LONGEST


class Sessions:
    """Who is in. One event loop asks. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[bytes, Session] = {}

    def begin(self, caller: Caller) -> str:
        """Begin a session and return its token, which nobody can read here again."""
        now = self._clock()
        self._known = {mark: one for mark, one in self._known.items() if not one.ended(now)}
        own = [(one.seen, mark) for mark, one in self._known.items() if one.caller.name == caller.name]
        for _, mark in sorted(own)[: max(0, len(own) - PER_NAME + 1)]:
            del self._known[mark]
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._known[mark_of(token)] = Session(caller, now, now)
        return token

    def caller(self, token: str) -> Caller | None:
        """Return whose session this is, and note that it was used; None for nobody's, or one that has ended."""
        mark, now = mark_of(token), self._clock()
        found = self._known.get(mark)
        if found is None:
            return None
        if found.ended(now):
            del self._known[mark]
            return None
        found.seen = now
        return found.caller

    def end(self, token: str) -> None:
        """End a session, where there is one."""
        self._known.pop(mark_of(token), None)


def mark_of(token: str) -> bytes:
    """Return what is kept of a token. What is looked up is a digest, which no timing can tell."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def token_in(headers: Headers, secure: bool) -> str:
    """Return the token that a request brings, "" for none. secure: it came by https to this server itself."""
    cookies = {name: value for header in headers.getlist("cookie") for name, value in cookie_parser(header).items()}
    return cookies.get(LOCKED) or ("" if secure else cookies.get(PLAIN, ""))


def over_https(headers: Headers, secure: bool) -> bool:
    """Return whether the browser's own address begins with https: here, or where a tunnel begins."""
    return secure or headers.get("origin", "").startswith("https://")


def cookie(token: str, locked: bool) -> str:
    """Return the Set-Cookie header that begins a session. locked: over https alone."""
    return _cookie(token, int(LONGEST), locked)


def no_cookies() -> tuple[str, str]:
    """Return the Set-Cookie headers that take a session's cookie away."""
    return _cookie("", 0, True), _cookie("", 0, False)


def _cookie(value: str, seconds: int, locked: bool) -> str:
    name, tail = (LOCKED, "; Secure") if locked else (PLAIN, "")
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{tail}"
