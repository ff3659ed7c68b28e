"""Requests over HTTP: redirects by hand, tokens for their own site alone, statuses as Easel's errors.

Knows nothing of files on disk. A trouble that may pass is raised as Again, for whoever has patience.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from easel.core.errors import BadValue, RequestError, ResourceError, Unsafe
from easel.core.version import version
from easel.models.download.sites import Site, may_follow, origin, site

if TYPE_CHECKING:
    from httpx2 import Response

Found = TypeVar("Found")
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10
MAY_PASS = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529)
LARGEST_ANSWER = 2**25  # bytes of JSON
LONGEST_REASON = 200


class Again(Exception):
    """A trouble that may pass: the reason, and how long the server asks to wait, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.reason = reason
        self.wait = wait
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried without progress, and the seconds between: `first`, doubled up to `longest`."""

    tries: int = 6
    first: float = 0.5
    longest: float = 30.0
    asked: float = 120.0  # the longest wait that a server may ask for

    def wait(self, tries: int, trouble: Again) -> float:
        """Return the seconds to wait after so many tries. Raises ResourceError where there is no more patience."""
        if trouble.wait is not None and trouble.wait > self.asked:
            raise ResourceError(f"{trouble.reason}; it asks to come again in {trouble.wait:.0f} seconds.")
        if tries >= self.tries:
            raise ResourceError(f"{trouble.reason}, {tries} times without progress; try again later.")
        return max(trouble.wait or 0.0, min(self.longest, self.first * 2 ** (tries - 1)))


class Web:
    """One connection pool with the tokens of some sites; close it, or use it in a `with`."""

    def __init__(self, sites: Sequence[Site], *, patience: Patience | None = None) -> None:
        import httpx2

        self.patience = patience or Patience()
        self._sites = tuple(sites)
        timeout = httpx2.Timeout(60.0, connect=20.0)
        # Some sites refuse clients without a name.
        headers = {"User-Agent": f"easel/{version()}", "Accept-Encoding": "identity"}
        self._client = httpx2.Client(timeout=timeout, headers=headers, follow_redirects=False)

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def site(self, key: str) -> Site:
        """Return a site with the token that it is asked with."""
        return next((found for found in self._sites if found.key == key), site(key))

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Response]:
        """Yield the unread response to a GET, after redirects. Raises Again, RequestError or Unsafe."""
        import httpx2

        shown = shown_address(url)
        try:
            response = self._last(url, dict(headers or {}))
            try:
                yield response
            finally:
                response.close()
        except httpx2.TimeoutException:
            raise Again(f"{shown}: no answer in time") from None
        except httpx2.InvalidURL:
            raise BadValue("address", shown, "a link that can be asked") from None
        except httpx2.ConnectError as error:
            raise Again(f"{shown}: cannot be reached ({reason_of(error)})") from None
        except (httpx2.TransportError, httpx2.StreamError):
            raise Again(f"{shown}: the connection was cut") from None

    def _last(self, url: str, headers: dict[str, str]) -> Response:
        """Return the response at the end of all redirects."""
        first = url
        for _ in range(MOST_REDIRECTS):
            if not may_follow(url, first):
                what = "is asked for" if url == first else "is where the site leads"
                raise Unsafe(f"{shown_address(url)} {what}, which is not https; nothing was sent there.")
            request = self._client.build_request("GET", url, headers=headers | self._authority(url))
            response = self._client.send(request, stream=True)
            if response.status_code not in REDIRECTS or "location" not in response.headers:
                return response
            response.close()
            url = urljoin(url, response.headers["location"])
            if urlsplit(url).path.rstrip("/").endswith("/login"):
                raise RequestError(self._refusal(shown_address(first), first, "the site leads to its login page"))
        raise ResourceError(
            f"{shown_address(first)}: more than {MOST_REDIRECTS} redirects; the site leads in a circle."
        )

    def _authority(self, url: str) -> dict[str, str]:
        """Return the header with the token of the very site that is asked, nothing for any other."""
        for found in self._sites:
            if found.token is not None and origin(url) == origin(found.base):
                return {"Authorization": f"Bearer {found.token.get_secret_value()}"}
        return {}

    def _refusal(self, shown: str, url: str, reason: str) -> str:
        """Return what to do where a site wants to know who asks."""
        for found in self._sites:
            if origin(url) == origin(found.base):
                if found.token:
                    return (
                        f"{shown}: {reason}; your token does not open it: accept the model's terms on its page first."
                    )
                return f"{shown}: {reason}; give a token by {found.login} (made at {found.page})."
        return f"{shown}: {reason}; only the two sites can be given a token."

    def check(self, response: Response, url: str) -> None:
        """Raise what a status that is not 2xx means: RequestError, ResourceError or Again."""
        status, shown = response.status_code, shown_address(url)
        if 200 <= status < 300:
            return
        said = said_by(response)
        if status in MAY_PASS:
            raise Again(f"{shown}: the site answers {status}{said}", asked_wait(response))
        if status in (401, 403):
            raise RequestError(self._refusal(shown, url, f"the site answers {status}{said}"))
        if status in (404, 410):
            raise RequestError(f"{shown}: not there (the site answers {status}{said}); look at the link again.")
        raise ResourceError(f"{shown}: the site answers {status}{said}.")

    def json(self, url: str) -> dict[str, Any]:
        """Return the JSON object at an address. Raises RequestError or ResourceError."""

        def asked() -> dict[str, Any]:
            with self.open(url, {"Accept": "application/json"}) as response:
                self.check(response, url)
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > LARGEST_ANSWER:
                        break
            try:
                found = json.loads(body) if len(body) <= LARGEST_ANSWER else None
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                raise ResourceError(f"{shown_address(url)}: the site's answer is no JSON object; try again later.")
            return found

        return patiently(self.patience, asked)


def patiently(patience: Patience, ask: Callable[[], Found]) -> Found:
    """Return what `ask` returns, asking again after each trouble that may pass. Raises ResourceError in the end."""
    tries = 0
    while True:
        try:
            return ask()
        except Again as trouble:
            tries += 1
            wait = patience.wait(tries, trouble)
        time.sleep(wait)


def shown_address(url: str) -> str:
    """Return an address for a message: without query, which may hold a signature or a token."""
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    text = f"{parts.scheme}://{host}{parts.path}"
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def reason_of(error: BaseException) -> str:
    """Return an exception's words in one line."""
    return printable(str(error)) or type(error).__name__


def printable(text: str) -> str:
    """Return a server's text as it may stand in a message: one line, not long, no control codes, no address's query."""
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", line)[:LONGEST_REASON].strip()


def said_by(response: Response) -> str:
    """Return what an error's answer says, in brackets; nothing where it says nothing readable."""
    import httpx2

    said = response.headers.get("x-error-message", "")
    if not said and "json" in response.headers.get("content-type", ""):
        body = b""
        try:
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > 10_000:
                    break
            found = json.loads(body)
        except (ValueError, RecursionError, httpx2.HTTPError):  # a word of explanation is not worth another error
            found = None
        if isinstance(found, dict):
            said = next((found[key] for key in ("message", "error") if isinstance(found.get(key), str)), "")
    said = printable(said).rstrip(".")
    return f": {said}" if said else ""


def asked_wait(response: Response) -> float | None:
    """Return the seconds that Retry-After asks to wait, as a number or a date; None where it asks nothing."""
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
