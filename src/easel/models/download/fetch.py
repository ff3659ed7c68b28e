"""One file from the web to the disk: resumed after a cut, checked while it is read, moved into place at the end.

A part that is proven wrong is taken away; any other stays for the next time. Knows no site and nothing of models.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.errors import EaselError, Mismatch, RequestError, StorageError
from easel.models.download.partial import Digest, drop, held, keep_memo, left_of, memo_of, part_of, size_of, storage
from easel.models.download.wanted import Event, Note, Progress, Wanted
from easel.models.download.web import Again, Web, shown_address

if TYPE_CHECKING:
    from httpx2 import Response

EVERY = 0.1  # seconds between reports of progress
PAGES = (b"<!doctype html", b"<html")
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def fetch(wanted: Wanted, target: Path, web: Web, *, replace: bool = False) -> Generator[Event, None, str]:
    """Yield events until `wanted` stands at `target`, and return its SHA-256.

    Raises StorageError (disk), Mismatch (not what the site says it is), RequestError and ResourceError (site).
    """
    part, shown = part_of(target), shown_address(wanted.url)
    with storage(target), held(part):
        tries, best, together = 0, size_of(part), False
        while True:
            try:
                digest, resumed = yield from attempt(wanted, part, web)
                if not (wrong := digest.differs(wanted)):
                    break
                drop(part)
                if together or not resumed:
                    raise Mismatch(f"{shown}: {wrong}; nothing was kept.")
                together = True
                yield Note("the parts do not fit together; beginning anew")
                continue
            except Again as trouble:
                reached = size_of(part)
                tries, best = (1, reached) if reached > best else (tries + 1, best)
                wait = web.patience.wait(tries, trouble)
                yield Note(
                    f"{trouble.reason}; trying again in {wait:.0f} s" if wait >= 1 else f"{trouble.reason}; going on"
                )
            time.sleep(wait)
        if target.exists() and not replace:
            raise StorageError(f"{target}: has come to be there meanwhile; the new file is kept as {part.name}.")
        os.replace(part, target)
        memo_of(part).unlink(missing_ok=True)
        return digest.sha256


def attempt(wanted: Wanted, part: Path, web: Web) -> Generator[Event, None, tuple[Digest, bool]]:
    """Yield progress until the part is whole; return its hashes, and whether some of it was there before.

    Raises Again where it was cut or must begin anew.
    """
    have, validator, known = left_of(wanted, part)
    total = wanted.size if wanted.size is not None else known
    digest = Digest(wanted, part, have)
    if total is not None and have == total and have:
        return digest, True
    headers = {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {}) if have else {}
    with web.open(wanted.url, headers) as response:
        if have and response.status_code == 416:
            drop(part)
            raise Again(f"{shown_address(wanted.url)}: the site has no more of this file; beginning anew")
        web.check(response, wanted.url)
        refuse_page(response, wanted)
        start, total = extent(response, wanted, have, total, part)
        resumed = start > 0
        if have and not resumed:
            have, digest = 0, Digest(wanted, part, 0)
        most = wanted.most if total is None else total
        keep_memo(part, wanted, validator_of(response), total)
        yield Progress(have, total)
        with part.open("ab" if resumed else "wb") as out:
            last = time.monotonic()
            for chunk in response.iter_raw():
                wrong = misfit(chunk, have, most, wanted)
                if wrong is not None:
                    out.close()
                    drop(part)
                    raise wrong
                out.write(chunk)
                digest.update(chunk)
                have += len(chunk)
                if time.monotonic() - last >= EVERY:
                    last = time.monotonic()
                    yield Progress(have, total)
            out.flush()
            os.fsync(out.fileno())
    if total is not None and have < total:
        raise Again(f"{shown_address(wanted.url)}: cut after {have} of {total} bytes")
    yield Progress(have, have)
    return digest, resumed


def extent(response: Response, wanted: Wanted, have: int, total: int | None, part: Path) -> tuple[int, int | None]:
    """Return where an answer's bytes begin and the size of the whole.

    Raises Mismatch for sizes that contradict what the site said before, Again where it sent another piece.
    """
    shown, headers = shown_address(wanted.url), response.headers
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise Mismatch(f"{shown}: comes packed as {coding[:20]!r}, which was not asked for; nothing was kept.")
    start, length = 0, headers.get("content-length", "")
    announced = int(length) if length.isdecimal() and len(length) < 20 else None
    if response.status_code == 206:
        match = RANGE.fullmatch(headers.get("content-range", "").strip())
        if not match or not have or int(match[1]) != have:
            drop(part)
            raise Again(f"{shown}: the site sends another piece than was asked for; beginning anew")
        start, announced = have, None if match[3] == "*" else int(match[3])
        if announced is not None and wanted.size is None and total is not None and announced != total:
            drop(part)
            raise Again(f"{shown}: the file has another size now; beginning anew")
    elif wanted.size is None:
        total = None  # a whole answer: what an earlier one announced is over
    if announced is None:
        return start, total
    if wanted.size is not None and announced != wanted.size:
        raise Mismatch(f"{shown}: has {announced} bytes, it should have {wanted.size}; nothing of it was kept.")
    if wanted.most is not None and announced > wanted.most:
        raise Mismatch(f"{shown}: has {announced} bytes, it should have about {wanted.about}; nothing of it was kept.")
    return start, announced


def misfit(chunk: bytes, have: int, most: int | None, wanted: Wanted) -> EaselError | None:
    """Return the error for bytes, after `have` others, that cannot be of the wanted file; None where they can."""
    if not have and chunk.lstrip()[:20].lower().startswith(PAGES):
        return page(wanted)
    if most is not None and have + len(chunk) > most:
        shown = shown_address(wanted.url)
        return Mismatch(f"{shown}: sends more than the {most} bytes that it should have; nothing was kept.")
    return None


def refuse_page(response: Response, wanted: Wanted) -> None:
    """Raise where a web page comes in place of the file."""
    if response.headers.get("content-type", "").split(";")[0].strip().lower() in ("text/html", "application/xhtml+xml"):
        raise page(wanted)


def page(wanted: Wanted) -> RequestError:
    """Return the error for a page where a file should be."""
    return RequestError(
        f"{shown_address(wanted.url)}: a web page came in place of the file, perhaps to log in; look at the link in a "
        "browser, or give a token by `easel models login`."
    )


def validator_of(response: Response) -> str:
    """Return what If-Range takes: a strong ETag, else the date of the last change, else nothing."""
    etag = response.headers.get("etag", "").strip()
    found = etag if etag.startswith('"') else response.headers.get("last-modified", "").strip()
    return found if found.isascii() and found.isprintable() and len(found) < 300 else ""
