"""What a person means by the WHAT of `easel models download`: a link, an id or a name. Reads text and asks nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from easel.core.errors import BadValue

HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
CIVITAI_HOSTS = ("civitai.com", "www.civitai.com", "civitai.green", "civitai.red")
CHOICES = ("type", "format", "size", "fp", "fileId")  # by which a Civitai link names one file of a version
ALLOWED = (
    "a link to Hugging Face, Civitai or a file, OWNER/NAME, OWNER/NAME/FILE, a Civitai id (MODEL, MODEL@VERSION, "
    "@VERSION) or hash:DIGITS"
)
REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([^\s/]+))?(?:/(.+))?")
CIVITAI_ID = re.compile(r"(?:urn:air:[\w.-]+:[\w.-]+:)?(civitai:)?(\d+)?(?:@(\d+))?")
MODEL_PATH = re.compile(r"/models/(\d+)(?:/.*)?")
VERSION_PATH = re.compile(r"/(?:api/download/models|api/v1/model-versions|model-versions)/(\d+)/?")
HUB_PATH = re.compile(r"/([^/]+/[^/]+)(?:/(resolve|blob|raw|tree)/([^/]+)(?:/(.*))?)?/?")


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository of Hugging Face. path: a file or folder in it, "" for all of it; revision: "" for the main."""

    name: str
    revision: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class CivitaiModel:
    """A model of Civitai by its id, its version's id (None for the newest) or a file's hash; choices: of its files."""

    model: int | None = None
    version: int | None = None
    digest: str = ""
    choices: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Address:
    """A file anywhere on the web."""

    url: str


Asked = Repository | CivitaiModel | Address


def asked(what: str, hub: str, civitai: str) -> Asked:
    """Return what is meant by `what`; hub, civitai: the addresses of the two sites. Raises BadValue."""
    what = what.strip()
    hosts = (*HUB_HOSTS, *CIVITAI_HOSTS)
    if what.split("/", 1)[0].lower() in hosts:
        what = f"https://{what}"
    if re.match(r"https?://", what, re.IGNORECASE):
        return linked(what, hub, civitai)
    if match := re.fullmatch(r"(?:civitai:)?hash:([0-9A-Fa-f]{8,64})", what):
        return CivitaiModel(digest=match[1].upper())
    if (match := CIVITAI_ID.fullmatch(what)) and (match[2] or match[3]):
        return CivitaiModel(int(match[2]) if match[2] else None, int(match[3]) if match[3] else None)
    plain = re.sub(r"^hf:(//)?", "", what)
    match = REPOSITORY.fullmatch(plain)
    if not match or ".." in plain.split("/"):
        raise BadValue("WHAT", what, ALLOWED)
    return Repository(match[1], match[2] or "", (match[3] or "").strip("/"))


def linked(url: str, hub: str, civitai: str) -> Asked:
    """Return what a link leads to. Raises BadValue where it leads to no model."""
    parts = split(url)
    if parts.netloc.lower() in CIVITAI_HOSTS or parts.netloc == urlsplit(civitai).netloc:
        return at_civitai(parts)
    if parts.netloc.lower() in HUB_HOSTS or parts.netloc == urlsplit(hub).netloc:
        return at_hub(parts)
    return Address(url)


def split(url: str) -> SplitResult:
    """Return the parts of a link. Raises BadValue, without its query, which may hold a secret."""
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise BadValue("WHAT", url.split("?", 1)[0], "a link with a host") from None
    if parts.username is not None or parts.password is not None:
        raise BadValue("WHAT", f"{parts.scheme}://…@{parts.hostname}", "a link without a name or password in it")
    return parts


def at_civitai(parts: SplitResult) -> CivitaiModel:
    """Return the model of a Civitai link. Raises BadValue."""
    query = dict(parse_qsl(parts.query))
    choices = {key: query[key] for key in CHOICES if key in query}
    if match := VERSION_PATH.fullmatch(parts.path):
        return CivitaiModel(None, int(match[1]), choices=choices)
    if match := MODEL_PATH.fullmatch(parts.path):
        version = query.get("modelVersionId", "")
        return CivitaiModel(int(match[1]), int(version) if version.isdecimal() else None, choices=choices)
    raise BadValue("WHAT", f"{parts.netloc}{parts.path}", "a link to a model (/models/ID) or /api/download/models/ID")


def at_hub(parts: SplitResult) -> Repository:
    """Return the repository or file of a Hugging Face link. Raises BadValue."""
    match = HUB_PATH.fullmatch(parts.path)
    if not match or match[1].split("/")[0] in ("datasets", "spaces", "api", "docs", "collections", "papers"):
        raise BadValue("WHAT", f"{parts.netloc}{parts.path}", "a link to a model's page or one of its files")
    path = unquote(match[4] or "").strip("/")
    if ".." in path.split("/"):
        raise BadValue("WHAT", f"{parts.netloc}{parts.path}", "a link without '..'")
    return Repository(match[1], unquote(match[3] or ""), path)
