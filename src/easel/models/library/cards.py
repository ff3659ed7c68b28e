"""What the makers of a file wrote of it: in the metadata of a safetensors file, and in what tools put beside it.

Nothing here decides anything; it is shown to people, who read it as what a stranger says.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from easel.core.errors import ModelError
from easel.models.files.opening import listing_of
from easel.models.library.claims import as_list, read_object

# What is shown, and the names under which it may stand in metadata, the preferred first; modelspec's, then kohya's.
FIELDS = {
    "Title": ("modelspec.title", "ss_output_name"),
    "Author": ("modelspec.author",),
    "Trigger": ("modelspec.trigger_phrase",),
    "Description": ("modelspec.description", "ss_training_comment"),
    "Use": ("modelspec.usage_hint",),
    "Licence": ("modelspec.license",),
    "Made": ("modelspec.date",),
    "Trained on": ("ss_sd_model_name", "ss_base_model_version", "modelspec.architecture"),
    "Merged from": ("modelspec.merged_from",),
    "Network": ("ss_network_module",),
    "Rank": ("ss_network_dim",),
    "Alpha": ("ss_network_alpha",),
}
TAGS_SHOWN = 20
LONGEST = 500  # letters of one thing that is shown


def card_of(path: Path) -> dict[str, str]:
    """Return what is known of a file from its makers, in words by what it is; nothing of a folder."""
    try:
        metadata = listing_of(path).metadata if path.is_file() else {}
    except ModelError:
        metadata = {}
    card = {
        shown: next((metadata[name] for name in names if metadata.get(name)), "") for shown, names in FIELDS.items()
    }
    card["Tags"] = ", ".join(tags_in(metadata))
    card["Words"] = ", ".join(words_beside(path)) if path.is_file() else ""
    return {shown: text for shown, value in card.items() if (text := presentable(value))}


def tags_in(metadata: Mapping[str, str]) -> list[str]:
    """Return the words that stood most often in the captions of a LoRA's training, as kohya counts them."""
    try:
        told: Any = json.loads(metadata.get("ss_tag_frequency", "{}"))
    except (ValueError, RecursionError):
        return []
    counts: Counter[str] = Counter()
    for folder in told.values() if isinstance(told, dict) else ():
        for tag, count in folder.items() if isinstance(folder, dict) else ():
            if isinstance(count, int):
                counts[tag.strip()] += count
    return [tag for tag, _ in counts.most_common(TAGS_SHOWN)]


def words_beside(path: Path) -> list[str]:
    """Return the trigger words in files beside a model: Civitai Helper's, A1111's, Stability Matrix's."""
    endings = (".civitai.info", ".json", ".cm-info.json")
    civitai, own, matrix = (read_object(f"{path.with_suffix('')}{ending}") for ending in endings)
    told = [*as_list(civitai.get("trainedWords")), own.get("activation text"), *as_list(matrix.get("TrainedWords"))]
    return list(dict.fromkeys(word.strip() for word in told if isinstance(word, str) and word.strip()))


def presentable(text: str) -> str:
    """Return a stranger's text on one line, without what could steer a terminal, and not for pages."""
    line = "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
