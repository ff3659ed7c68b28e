"""The preprocessors and control models that there are, in the words of A1111's ControlNet.

Reads names and headers' lists; draws nothing and loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from easel.api.a1111.listings import flat_name
from easel.core.registry import Entry as Registered
from easel.models.library.names import Entry, Library
from easel.prompt.dials import DIALS, Dial, takes_whole

READERS = (
    "ip-adapter-auto", "ip-adapter_clip_h", "ip-adapter_clip_g", "ip-adapter_clip_sdxl_plus_vith",
    "ip-adapter_face_id", "ip-adapter_face_id_plus",
)  # fmt: skip
CONTROL_KINDS = ("controlnet", "t2i_adapter")  # kinds of files that A1111's ControlNet calls models
REFERENCES = ("reference_only",)
RESOLUTION = {"name": "Preprocessor Resolution", "value": 512, "min": 64, "max": 2048}
NONE, ALL, UNION = "None", "All", "union"

# A1111's kinds of control, and what a model of each is called; a union model is one of every kind.
KINDS: Mapping[str, tuple[str, ...]] = {
    "Canny": ("canny", "edges"),
    "Depth": ("depth",),
    "IP-Adapter": ("ip-adapter", "ip_adapter", "ipadapter"),
    "Inpaint": ("inpaint",),
    "InstructP2P": ("ip2p",),
    "Lineart": ("lineart",),
    "MLSD": ("mlsd",),
    "NormalMap": ("normal",),
    "OpenPose": ("pose",),
    "Recolor": ("recolor", "luminance", "intensity"),
    "Reference": (),
    "Scribble": ("scribble", "sketch"),
    "Segmentation": ("seg",),
    "Shuffle": ("shuffle",),
    "SoftEdge": ("softedge", "hed"),
    "T2I-Adapter": ("t2i", "t2iadapter"),
    "Tile": ("tile", "blur"),
}

ADAPTERS = {"IP-Adapter": "ip_adapter", "T2I-Adapter": "t2i_adapter"}  # kinds of control that are kinds of files

PART = slice(0x100000, 0x110000)  # the bytes of a file that A1111's short hash of eight digits is made of


def model_names(library: Library, kinds: tuple[str, ...] = (*CONTROL_KINDS, "ip_adapter")) -> list[str]:
    """Return the models of these kinds as "name [hash]", by which calls name them."""
    return [titled(entry) for kind in kinds for entry in library.entries(kind)]


def titled(entry: Entry) -> str:
    """Return a model's name with the short hash that A1111's lists write behind it; a folder has none."""
    short = short_hash(entry.path)
    return f"{flat_name(entry.name)} [{short}]" if short else flat_name(entry.name)


def short_hash(file: Path) -> str:
    """Return the first eight digits of the SHA-256 of 64 KiB of a file, one MiB within; "" for what is no file."""
    try:
        with file.open("rb") as opened:
            opened.seek(PART.start)
            return sha256(opened.read(PART.stop - PART.start)).hexdigest()[:8]
    except OSError:
        return ""


def modules() -> dict[str, Registered[Any] | None]:
    """Return every preprocessor by A1111's name for it, Easel's own where it has none; None for what draws no hint."""
    from easel.models.readers import all_preprocessors

    found: dict[str, Registered[Any] | None] = {}
    for entry in all_preprocessors():
        theirs = [alias for alias in entry.aliases if "_" in alias and " " not in alias]
        found |= dict.fromkeys(theirs or [entry.name], entry)
    return {"none": found.pop("none"), **found, **dict.fromkeys((*REFERENCES, *READERS))}


def module_facts(*, aliases: bool = False) -> dict[str, Any]:
    """Return the preprocessors with their sliders. aliases: call them as people read them."""
    known = modules()
    shown = {name: entry.facts["label"] if aliases and entry else name for name, entry in known.items()}
    return {
        "module_list": list(dict.fromkeys(shown.values())),
        "module_detail": {shown[name]: {"model_free": name in REFERENCES, "sliders": sliders(name)} for name in known},
    }


def sliders(name: str) -> list[dict[str, Any]]:
    """Return the sliders of a preprocessor: its resolution where it has one, then Threshold A and B."""
    whole = takes_whole(name) or name in READERS
    return [*([] if whole else [dict(RESOLUTION)]), *(slider(dial) for dial in DIALS.get(name, ()))]


def slider(dial: Dial) -> dict[str, Any]:
    """Return one slider."""
    return {"name": dial.label, "value": dial.usual, "min": dial.least, "max": dial.greatest, "step": dial.step}


def module_meant(name: str) -> str:
    """Return the name of the preprocessor that a name, in any case, or a label of /module_list means."""
    from easel.models.readers import all_preprocessors

    given = name.strip().casefold()
    labels = {entry.facts["label"].casefold(): entry.name for entry in all_preprocessors()}
    return labels.get(given, given) or "none"


def control_kinds(library: Library) -> dict[str, Any]:
    """Return each kind of control with its preprocessors and models, and which of them to begin with."""
    known, names = modules(), model_names(library)
    own = {kind: model_names(library, (folder,)) for kind, folder in ADAPTERS.items()}
    found = {ALL: facts_of(list(known), names, "none")}
    for kind, words in KINDS.items():
        fits = [name for name, entry in known.items() if entry is not None and entry.facts["control"] == kind]
        fits = {"Reference": list(REFERENCES), "IP-Adapter": list(READERS)}.get(kind, fits)
        words = (*words, UNION) if words and kind not in ADAPTERS else words
        models = [one for one in names if one in own.get(kind, ()) or any(word in one.casefold() for word in words)]
        easy = next((name for name in fits if (entry := known[name]) is not None and not entry.facts.get("needs")), "")
        found[kind] = facts_of(["none", *fits], models, easy or next(iter(fits), "none"))
    return found


def facts_of(modules: list[str], models: list[str], first: str) -> dict[str, Any]:
    """Return what a kind of control has to choose from."""
    return {
        "module_list": modules,
        "model_list": [NONE, *models],
        "default_option": first,
        "default_model": next(iter(models), NONE) if first != "none" else NONE,
    }
