"""How an error becomes an HTTP answer: a status by its class, and one shape for all.

    {"error": {"kind": "BadValue", "message": "width is 70, allowed is ...", "field": "width"}}

A dialect with a shape of its own names the beginning of its paths; statuses are everybody's. Tells no secrets: what is
ours to mend is told by an id, and written with its cause to the log.
"""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from easel.core import errors
from easel.core.errors import BadValue, EaselError, Internal, RequestError, TooManyTries, UnknownName, shown
from easel.core.values import translated

log = logging.getLogger("easel.api")

# The nearest ancestor of an error's class decides.
STATUSES: dict[type[EaselError], int] = {
    errors.UnknownJob: 404,
    errors.RequestError: 422,
    errors.ModelError: 422,
    errors.Unauthorised: 401,
    errors.Forbidden: 403,
    errors.TooManyTries: 429,
    errors.OutOfMemory: 507,
    errors.StorageError: 507,
    errors.ResourceError: 503,
    errors.Cancelled: 409,
}
OURS = 500
PATIENCE = 5  # seconds after which asking again may help, for what the house cannot now

NOTHING = {
    404: "nothing is at {1}; /openapi.json lists what there is.",
    405: "{0} is not for {1}; /openapi.json lists what there is.",
}

Shape = Callable[[EaselError, int], Mapping[str, Any]]


class Refused(RequestError):
    """What the web server itself refuses: a path, a method, a body too large."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def status_of(error: EaselError) -> int:
    """Return the HTTP status for an error."""
    if isinstance(error, Refused):
        return error.status
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), OURS)


def native(error: EaselError, status: int) -> dict[str, Any]:
    """Return an error in Easel's own shape."""
    facts: dict[str, Any] = {"kind": kind_of(error, status), "message": error.message}
    match error:
        case BadValue():
            facts |= {"field": error.field, "allowed": error.allowed}
        case UnknownName():
            facts |= {"what": error.kind, "got": error.got, "nearest": error.nearest}
        case TooManyTries():
            facts |= {"seconds": error.seconds}
        case _:
            pass
    return {"error": facts}


def kind_of(error: EaselError, status: int) -> str:
    """Return the name of an error's class, or of its status where the web server itself refuses."""
    return http.HTTPStatus(status).phrase.replace(" ", "") if isinstance(error, Refused) else type(error).__name__


def answer(error: EaselError, shape: Shape = native) -> Response:
    """Return the HTTP answer for an error."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Easel", charset="UTF-8"'
    elif status == 503:
        headers["Retry-After"] = str(PATIENCE)
    elif isinstance(error, TooManyTries):
        headers["Retry-After"] = str(error.seconds)
    body = json.dumps(shape(error, status), ensure_ascii=False).encode(errors="replace")
    return Response(body, status, headers, media_type="application/json")


class Shapes:
    """Which shape errors have on which paths.

    dialects: shapes by the beginning of paths; all else is native. told: called with the kind of every error.
    """

    def __init__(self, dialects: Mapping[str, Shape], told: Callable[[str], None] = lambda kind: None) -> None:
        self._dialects = dialects
        self._told = told

    def answer(self, path: str, error: EaselError) -> Response:
        """Return the HTTP answer for an error on a path."""
        self._told(kind_of(error, status_of(error)))
        fitting = [start for start in self._dialects if path.startswith(start)]
        return answer(error, self._dialects[max(fitting, key=len)] if fitting else native)


def install(app: FastAPI, shapes: Shapes) -> None:
    """Let an app answer every error, its own framework's too, in these shapes."""

    async def ours(http: HttpRequest, error: Exception) -> Response:
        found = in_our_words(error)
        if isinstance(error, HTTPException) and error.status_code in (404, 405):
            found = Refused(error.status_code, NOTHING[error.status_code].format(http.method, shown(http.url.path)))
        return shapes.answer(http.url.path, found)

    for kind in (EaselError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, ours)


def in_our_words(error: Exception) -> EaselError:
    """Return any error as one of ours; what nobody foresaw is logged under an id, and tells nothing else."""
    if isinstance(error, Internal):
        log.error("%s", error.message)
    match error:
        case EaselError():
            return error
        case RequestValidationError():
            return fault_in(error)
        case HTTPException():
            return Refused(error.status_code, f"{str(error.detail).rstrip('.').lower()}.")
        case _:
            run = uuid4().hex[:12]
            log.error("internal error %s", run, exc_info=error)
            return Internal(run, RuntimeError("the server's log has the cause under this id"))


def fault_in(error: RequestValidationError) -> EaselError:
    """Return the first thing that is wrong with a path, a query or a body."""
    detail = error.errors()[0]
    if detail["type"] in ("json_invalid", "json_type"):
        return BadValue("body", None, "JSON", remedy=str(detail.get("ctx", {}).get("error", "")) or None)
    place: tuple[Any, ...] = tuple(
        part for part in detail["loc"] if isinstance(part, str) and part not in ("query", "path", "body", "header")
    )
    told: Any = {**detail, "loc": place}
    return translated(told, (), kind="parameter" if place else "body")
