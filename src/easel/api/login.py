"""`/login` and `/logout`: a name and its secret for a session's cookie, from a form or as JSON, and back.

Tells nobody which of name and secret was wrong. How large a body may be, from somebody not known yet, is
api/bodies.py's to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from easel.api.errors import Refused, status_of
from easel.api.guard import LOGIN, LOGOUT
from easel.api.login_page import LANGUAGES, page, page_policy
from easel.api.security import Gate, header_of, is_local
from easel.api.sessions import cookie, no_cookies, over_https, token_in
from easel.core.errors import AccessError, BadValue, TooManyTries, Unsupported
from easel.core.languages import preferred

LONGEST_TEXT = 2000  # characters of a name, of a secret, of a path
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True, slots=True)
class Entering:
    """What somebody says to come in. next: where they want to go."""

    name: str = ""
    password: str = ""
    key: str = ""
    next: str = "/"

    @property
    def header(self) -> str:
        """The same as an Authorization header."""
        return header_of("", self.key) if self.key else header_of(self.name, self.password)


def routes(gate: Gate) -> APIRouter:
    """Return the routes by which people come and go."""
    router = APIRouter(include_in_schema=False)

    @router.get(LOGIN)
    async def show(http: HttpRequest, next: str = "/") -> Response:
        """Show the form, or go on where nothing is asked or somebody is in already."""
        secure = http.url.scheme == "https"
        if not gate.asks or gate.sessions.caller(token_in(http.headers, secure)) is not None:
            return RedirectResponse(own_path(next), 303)
        return form(http, Entering(next=own_path(next)))

    @router.post(LOGIN)
    async def enter(http: HttpRequest) -> Response:
        """Begin a session."""
        if not gate.asks:
            raise Unsupported("this server asks for no names; ask it without signing in.")
        by_form = kind_of(http) == FORM
        said = entering(await http.body(), by_form)
        secure, address = http.url.scheme == "https", http.client.host if http.client else ""
        try:
            caller = await gate.known(said.header, address)
        except AccessError as error:
            if by_form:
                return form(http, said, error)
            raise
        gate.sessions.end(token_in(http.headers, secure))
        answer: Response = (
            RedirectResponse(own_path(said.next), 303)
            if by_form
            else JSONResponse({"name": caller.name, "admin": caller.admin})
        )
        answer.headers["Set-Cookie"] = cookie(gate.sessions.begin(caller), over_https(http.headers, secure))
        return answer

    @router.post(LOGOUT)
    async def leave(http: HttpRequest) -> Response:
        """End the session; no other site's page can."""
        secure = http.url.scheme == "https"
        token = token_in(http.headers, secure)
        if token:
            gate.check_own_page(http.headers, secure)
        gate.sessions.end(token)
        by_page = "text/html" in http.headers.get("accept", "")
        answer: Response = RedirectResponse(LOGIN, 303) if by_page else Response(status_code=204)
        for gone in no_cookies():
            answer.headers.append("Set-Cookie", gone)
        return answer

    _ = show, enter, leave
    return router


def form(http: HttpRequest, said: Entering, error: AccessError | None = None) -> Response:
    """Return the page with the form, in the asker's language; why it is shown again is told by its status too."""
    plain = http.url.scheme != "https" and http.headers.get("x-forwarded-proto") != "https"
    text = page(
        language_of(http),
        name=said.name,
        next=own_path(said.next),
        error=error,
        plain=plain and not is_local(http.url.hostname or ""),
    )
    headers = {
        "Content-Security-Policy": page_policy(),
        "Referrer-Policy": "same-origin",  # or browsers would send the form with `Origin: null`
        "Vary": "Accept-Language, Cookie",
    }
    if isinstance(error, TooManyTries):
        headers["Retry-After"] = str(error.seconds)
    status = 200 if error is None else status_of(error)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Easel"'
    return HTMLResponse(text, status, headers)


def language_of(http: HttpRequest) -> str:
    """Return the language of a page: the one chosen in Easel's page before, else the browser's."""
    chosen = http.cookies.get("easel_language", "")
    return chosen if chosen in LANGUAGES else preferred(http.headers.get("accept-language", ""), LANGUAGES)


def own_path(text: str) -> str:
    """Return a path of this server to go on to, "/" for anything that could lead elsewhere.

    Browsers take backslashes for slashes and leave out line breaks, so nothing but printable ASCII goes on.
    """
    strange = len(text) > LONGEST_TEXT or not text.isascii() or not text.isprintable() or "\\" in text or " " in text
    if strange or not text.startswith("/") or text.startswith("//"):
        return "/"
    return "/" if urlsplit(text).path in (LOGIN, LOGOUT) else text


def kind_of(http: HttpRequest) -> str:
    """Return the media type of a body. Raises Refused for one that is not read here."""
    kind = http.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind not in (FORM, JSON):
        raise Refused(415, f"the body is {kind or 'of no kind'}, allowed is {JSON} or {FORM}.")
    return kind


def entering(body: bytes, by_form: bool) -> Entering:
    """Return what a body says. Raises BadValue, which never tells a secret."""
    try:
        given: Any = dict(parse_qsl(body.decode(), max_num_fields=10)) if by_form else json.loads(body)
    except (ValueError, RecursionError):
        raise BadValue("body", None, "a form" if by_form else "JSON") from None
    if not isinstance(given, Mapping):
        raise BadValue("body", None, "named values")
    found: dict[str, str] = {}
    for field, text in cast("Mapping[str, Any]", given).items():
        if field not in Entering.__dataclass_fields__:
            if by_form:
                continue  # browsers' own fields may come along
            raise BadValue("field", field, "name, password, key and next")
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise BadValue(field, "something else", f"text of at most {LONGEST_TEXT} characters")
        found[field] = text
    return Entering(**found)
