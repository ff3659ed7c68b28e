"""What would be fetched from Civitai: one file of one version of a model, by the site's API.

A pickle is taken only where it is asked for; what the site's own scan calls dangerous is not taken at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from easel.core.errors import BadValue, RequestError, ResourceError, Unsafe, Unsupported
from easel.models.download.asked import CivitaiModel
from easel.models.download.names import (
    ENDINGS,
    PICTURES,
    SAFE_ENDINGS,
    ending_of,
    given_name,
    has_words,
    safe_name,
)
from easel.models.download.plans import Plan, Wish
from easel.models.download.sites import is_safe, site
from easel.models.download.wanted import Wanted
from easel.models.download.web import Web, printable

# Civitai's type of model or file, in small letters: Easel's kind
KINDS = {
    "checkpoint": "checkpoint",
    "lora": "lora",
    "locon": "lora",
    "dora": "lora",
    "textualinversion": "embedding",
    "vae": "vae",
    "upscaler": "upscaler",
    "controlnet": "controlnet",
    "motionmodule": "motion_module",
}
FILE_KINDS = {"vae": "vae", "text encoder": "text_encoder", "unet": "denoiser"}
MODEL_FILES = ("model", "pruned model")
SHOWN_FILES = 12


@dataclass(frozen=True, slots=True)
class Offered:
    """A file of a version, as the site describes it. about: bytes, from its rounded kilobytes."""

    id: str
    name: str
    type: str
    format: str
    size: str
    fp: str
    about: int | None
    sha256: str
    url: str
    primary: bool
    danger: bool

    @property
    def safe(self) -> bool:
        """Whether its format cannot run code."""
        return self.name.lower().endswith(SAFE_ENDINGS) and "pickle" not in self.format.lower()

    @property
    def words(self) -> str:
        """What tells it from the others."""
        facts = ", ".join(word for word in (self.type, self.format, self.size, self.fp) if word)
        return printable(f"{self.name} ({facts})")


def plan_civitai(found: CivitaiModel, wish: Wish, web: Web) -> Plan:
    """Return the plan for a model of Civitai. Raises RequestError, ModelError or ResourceError."""
    base = site("civitai").base
    version, model = version_of(found, web, base)
    title = printable(f"{words(model, 'name') or 'Civitai model'}, {words(version, 'name') or 'a version'}")
    if words(version, "usageControl") not in ("", "Download"):
        raise Unsupported(f"{title}: its author lets Civitai draw with it but nobody download it.")
    offered = [offer for entry in several(version, "files") if (offer := offer_of(entry)) is not None]
    chosen = choose(offered, found.choices, wish, title)
    if chosen.danger:
        raise Unsafe(f"{title}: Civitai's scan calls {chosen.name!r} dangerous; it is not fetched.")
    kind = wish.kind or FILE_KINDS.get(chosen.type.lower(), "") or KINDS.get(words(model, "type").lower(), "")
    ending = ending_of(chosen.name, kind)
    name = given_name(wish.name, ending) if wish.name else safe_name(chosen.name)
    number = words(version, "id")
    url = chosen.url if is_safe(chosen.url) else f"{base}/api/download/models/{number}"
    notes = () if chosen.sha256 else ("Civitai tells no SHA-256 of this file; it is not checked",)
    about = int(words(version, "modelId") or words(model, "id") or 0)
    card = {
        "model": words(model, "name"),
        "version": words(version, "name"),
        "type": words(model, "type"),
        "base_model": words(version, "baseModel"),
        "trained_words": [word for word in version.get("trainedWords") or () if isinstance(word, str)],
        "model_id": about,
        "version_id": int(number) if number.isdecimal() else 0,
        "file": chosen.name,
        "sha256": chosen.sha256,
        "url": f"{base}/models/{about}?modelVersionId={number}",
    }
    wanted = Wanted(url, name, about=chosen.about, sha256=chosen.sha256)
    return Plan(title, name, (wanted,), kind, card=card, notes=notes)


def version_of(found: CivitaiModel, web: Web, base: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the version that is meant, and its model. Raises RequestError."""
    if found.digest:
        version = web.json(f"{base}/api/v1/model-versions/by-hash/{found.digest}")
    elif found.version is not None:
        version = web.json(f"{base}/api/v1/model-versions/{found.version}")
    else:
        model = web.json(f"{base}/api/v1/models/{found.model}")
        newest = next((entry for entry in several(model, "modelVersions") if several(entry, "files")), None)
        if newest is None:
            raise RequestError(f"{base}/models/{found.model}: this model has no version with a file.")
        return newest, model
    model = version.get("model")
    owner = words(version, "modelId")
    if found.model is not None and owner and owner != str(found.model):
        raise BadValue("version", found.version, f"one of model {found.model}; it belongs to model {owner}")
    return version, {"id": owner, **model} if isinstance(model, Mapping) else {"id": owner}


def offer_of(entry: Mapping[str, Any]) -> Offered | None:
    """Return a file as the site offers it, None for what holds no weights."""
    name = words(entry, "name")
    if PurePosixPath(name).suffix.lower() not in (*ENDINGS, *PICTURES):
        return None
    facts, hashes = within(entry, "metadata"), within(entry, "hashes")
    kilobytes, digest = entry.get("sizeKB"), words(hashes, "SHA256").lower()
    return Offered(
        id=words(entry, "id"),
        name=name,
        type=words(entry, "type"),
        format=words(facts, "format"),
        size=words(facts, "size"),
        fp=words(facts, "fp"),
        about=round(kilobytes * 1024) if isinstance(kilobytes, (int, float)) and 0 < kilobytes < 2**40 else None,
        sha256=digest if re.fullmatch(r"[0-9a-f]{64}", digest) else "",
        url=words(entry, "downloadUrl"),
        primary=entry.get("primary") is True,
        danger="Danger" in (words(entry, "pickleScanResult"), words(entry, "virusScanResult")),
    )


def choose(offered: list[Offered], choices: Mapping[str, str], wish: Wish, title: str) -> Offered:
    """Return the file that is meant: by name, words or the link's choices, else the primary one. Raises BadValue."""
    fitting = [offer for offer in offered if all(fits(offer, key, value) for key, value in choices.items())]
    if wish.file:
        exact = [offer for offer in fitting if wish.file == offer.name]
        fitting = exact or [offer for offer in fitting if has_words(offer.words, wish.file.split())]
    elif not choices:
        fitting = of_kind(fitting, wish.kind)
    safe = [offer for offer in fitting if offer.safe]
    asked = bool(wish.file) or "pickle" in choices.get("format", "").lower() or "fileId" in choices
    usable = safe or (fitting if asked else [])
    primary = [offer for offer in usable if offer.primary]
    if usable and (primary or len(usable) == 1 or not wish.file):
        return (primary or usable)[0]
    if not offered:
        raise ResourceError(f"{title}: has no file of weights ({', '.join(ENDINGS)}).")
    shown = ", ".join(offer.words for offer in (usable or fitting or offered)[:SHOWN_FILES])
    reason = "; a pickle is fetched only where --file names it" if fitting and not safe and not asked else ""
    if not wish.file:
        raise RequestError(f"{title}: which file? --file takes one of {shown}{reason}.")
    raise BadValue("--file", wish.file, f"one of {shown}{reason}")


def fits(offer: Offered, key: str, value: str) -> bool:
    """Return whether a file is what a link's choice says."""
    return {"fileId": offer.id}.get(key, getattr(offer, key, "")).lower() == value.lower()


def of_kind(offered: list[Offered], kind: str) -> list[Offered]:
    """Return the files that are the part which `kind` names, else those that are the model itself, else all."""
    part = [offer for offer in offered if kind and FILE_KINDS.get(offer.type.lower()) == kind]
    return part or [offer for offer in offered if offer.type.lower() in MODEL_FILES] or offered


def words(facts: Mapping[str, Any], key: str) -> str:
    """Return a text or a whole number of the site's answer as text, "" for anything else."""
    value = facts.get(key)
    return value if isinstance(value, str) else str(value) if type(value) is int else ""


def within(facts: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object of the site's answer, an empty one where there is none."""
    value = facts.get(key)
    return value if isinstance(value, Mapping) else {}


def several(facts: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return a list of objects of the site's answer, an empty one where there is none."""
    value = facts.get(key)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
