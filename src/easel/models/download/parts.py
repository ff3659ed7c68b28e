"""Which files of a diffusers repository a pipeline needs. Knows names alone; asks nobody and reads nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from easel.core.errors import Incomplete, Unrecognised
from easel.models.download.names import safe_name

INDEX = "model_index.json"
CONFIG = "config.json"  # of one network alone, as transformers keeps them
LEFT_OUT = ("safety_checker", "feature_extractor")  # of pipelines; Easel runs neither
WEIGHTS = re.compile(
    r"(diffusion_pytorch_model|model|pytorch_model)(?:\.(\w+))?(?:-(\d{5})-of-(\d{5}))?(?:\.(\w+))?\.(safetensors|bin)"
)
SHARDS = re.compile(r"(diffusion_pytorch_model|model|pytorch_model)\.(safetensors|bin)\.index(?:\.(\w+))?\.json")
SMALL = re.compile(r"[^/]+\.(json|txt|model)")  # configs and the files of tokenizers


def files_of_folder(index: Mapping[str, Any], paths: Sequence[str], *, full: bool, where: str) -> dict[str, str]:
    """Return which files make the folder, by the names that they shall have there.

    index: what model_index.json holds. paths: all files of the repository. full: whether the usual precision is wanted
    before fp16, which is half as large. Raises Incomplete where a part has no weights, Unrecognised where there are no
    parts.
    """
    named = [part for part, made in index.items() if isinstance(made, list) and len(made) == 2 and made[1]]
    parts = [part for part in named if part not in LEFT_OUT and safe_name(part) == part]
    if not parts:
        raise Unrecognised(f"{where}: its {INDEX} names no parts.")
    found: dict[str, str] = {}
    for part in parts:
        inside = [path.removeprefix(f"{part}/") for path in paths if path.startswith(f"{part}/")]
        chosen = {name: name for name in inside if SMALL.fullmatch(name) and not SHARDS.fullmatch(name)}
        weights = weights_among(inside, full=full)
        if not weights and "config.json" in chosen:
            raise Incomplete(f"{where}: its part {part!r} has no weights as .safetensors or .bin.")
        found |= {f"{part}/{safe_name(name)}": f"{part}/{source}" for name, source in (chosen | weights).items()}
    return found | {INDEX: INDEX}


def files_of_part(paths: Sequence[str], *, full: bool, where: str) -> dict[str, str]:
    """Return which files make a folder of one network with its configs and words, by the names they shall have there.

    paths: all files of the repository; full: as for files_of_folder(). Raises Incomplete where it has no weights.
    """
    chosen = {name: name for name in paths if SMALL.fullmatch(name) and not SHARDS.fullmatch(name)}
    weights = weights_among(paths, full=full)
    if not weights:
        raise Incomplete(f"{where}: has no weights as .safetensors or .bin.")
    return {safe_name(name): source for name, source in (chosen | weights).items()}


def weights_among(names: Sequence[str], *, full: bool) -> dict[str, str]:
    """Return the weights among a part's files, by the names without their variant; nothing where there are none.

    safetensors come before pickles, one file before shards.
    """
    for ending in ("safetensors", "bin"):
        for variant in ("", "fp16") if full else ("fp16", ""):
            if whole := [name for name in names if is_whole(name, ending, variant)]:
                return {plain(whole[0]): whole[0]}
            if shards := shards_among(names, ending, variant):
                return shards
    return {}


def is_whole(name: str, ending: str, variant: str) -> bool:
    """Return whether a file holds all the weights of a part, in this format and precision."""
    match = WEIGHTS.fullmatch(name)
    return bool(match) and not match[3] and (match[6], match[2] or match[5] or "") == (ending, variant)


def plain(name: str) -> str:
    """Return a weights file's name without its variant."""
    return WEIGHTS.sub(r"\1.\6", name)


def shards_among(names: Sequence[str], ending: str, variant: str) -> dict[str, str]:
    """Return the shards of this format and precision with their index; nothing where one is missing.

    Shards keep their names, which the index holds.
    """
    index = next((n for n in names if (m := SHARDS.fullmatch(n)) and (m[2], m[3] or "") == (ending, variant)), None)
    split = [(name, match) for name in names if (match := WEIGHTS.fullmatch(name)) and match[3]]
    found = [name for name, match in split if (match[6], match[2] or match[5] or "") == (ending, variant)]
    counts = {match[4] for name, match in split if name in found}
    if index is None or len(counts) != 1 or len(found) != int(counts.pop()):
        return {}
    return {SHARDS.sub(r"\1.\2.index.json", index): index} | {name: name for name in found}
