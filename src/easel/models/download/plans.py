"""What would be fetched for what a person asked: the plan, which is shown before anything is written.

Here are the words for it and the plain web address; the two sites plan in files of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from easel.core.errors import BadValue
from easel.models.download.asked import Address, CivitaiModel, Repository, asked
from easel.models.download.names import checked_kind, ending_of, given_name, safe_name
from easel.models.download.sites import checked, site, with_token
from easel.models.download.wanted import Wanted
from easel.models.download.web import Web, patiently


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person may say beside WHAT; each "" where nothing is said.

    kind: of file; name: to save under; file: a file's name, or words of it; revision: branch, tag or commit of Hugging
    Face; sha256: of a file at a plain address.
    """

    kind: str = ""
    name: str = ""
    file: str = ""
    revision: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be fetched. title: in words; kind: "" where it is not known before.

    folder: whether `name` is a folder of several files, else the one file's name. card: what to keep in
    NAME.civitai.json. notes: what to tell before.
    """

    title: str
    name: str
    files: tuple[Wanted, ...]
    kind: str = ""
    folder: bool = False
    card: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """The bytes of all files as far as they are known before, None where one is not known."""
        sizes = [wanted.expected for wanted in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def site_of(what: str) -> str:
    """Return the key of the site that `what` leads to, "" for a plain link. Raises BadValue."""
    keys = {Repository: "hf", CivitaiModel: "civitai"}
    return keys.get(type(asked(what, site("hf").base, site("civitai").base)), "")


def open_web(what: str, token: str = "") -> Web:
    """Return the web with this person's token of the site that `what` leads to. Raises BadValue.

    token: one for this time, "" for the one that is kept.
    """
    key = site_of(what)
    if token and not key:
        raise BadValue("token", "(hidden)", "none for a plain link: only the two sites can be given one")
    if not key:
        return Web([])
    return Web([replace(site(key), token=checked(token)) if token else with_token(site(key))])


def plan(what: str, wish: Wish, web: Web) -> Plan:
    """Return what would be fetched for `what`. Raises RequestError, ModelError or ResourceError."""
    from easel.models.download.civitai import plan_civitai
    from easel.models.download.hub import plan_hub

    if wish.kind:
        checked_kind(wish.kind)
    if wish.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", wish.sha256):
        raise BadValue("--sha256", wish.sha256, "64 hex digits")
    found = asked(what, site("hf").base, site("civitai").base)
    if wish.revision and not isinstance(found, Repository):
        raise BadValue("--revision", wish.revision, "none here: it is for Hugging Face alone")
    if isinstance(found, Address):
        return plan_address(found, wish, web)
    if wish.sha256:
        raise BadValue("--sha256", wish.sha256, "none here: the site tells it itself")
    return plan_civitai(found, wish, web) if isinstance(found, CivitaiModel) else plan_hub(found, wish, web)


def plan_address(found: Address, wish: Wish, web: Web) -> Plan:
    """Return the plan for a plain web address: its name from the link, else from the server."""
    if wish.file:
        raise BadValue("--file", wish.file, "none here: a link leads to one file")
    named = unquote(PurePosixPath(urlsplit(found.url).path).name)
    told, size = named, None
    if not wish.name or not PurePosixPath(wish.name).suffix:
        told, size = patiently(web.patience, lambda: told_by(found.url, named, web))
    ending = ending_of(told if not wish.name or PurePosixPath(told).suffix else wish.name, wish.kind)
    name = given_name(wish.name, ending) if wish.name else safe_name(told)
    notes = () if wish.sha256 else ("nothing tells this file's hash (--sha256); it is not checked",)
    wanted = Wanted(found.url, name, about=size, sha256=wish.sha256)
    return Plan(name, name, (wanted,), wish.kind, notes=notes)


def told_by(url: str, named: str, web: Web) -> tuple[str, int | None]:
    """Return the name and the size that the server tells of a file; `named` where it tells no name."""
    with web.open(url) as response:
        web.check(response, url)
        length = response.headers.get("content-length", "")
        size = int(length) if length.isdecimal() and len(length) < 20 else None
        return disposed(response.headers.get("content-disposition", "")) or named, size


def disposed(header: str) -> str:
    """Return the file's name in a Content-Disposition header (RFC 6266), "" where there is none."""
    if match := re.search(r"filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)", header, re.IGNORECASE):
        return unquote(match[1])
    if match := re.search(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', header, re.IGNORECASE):
        return re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
    return ""
