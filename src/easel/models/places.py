"""Where models stand: diffusers folders and single files under the folders that people name. Reads no file.

Knows how A1111, Forge, ComfyUI and InvokeAI keep theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

LISTED = (".safetensors", ".ckpt")  # endings of checkpoints, the preferred first; others load by their path
DEEPEST = 8  # folders below the one that was named

# Where other programs keep checkpoints, below their own folder or its models folder.
CHECKPOINTS = (
    *("models/Stable-diffusion", "Stable-diffusion"),  # A1111, Forge
    *("models/checkpoints", "checkpoints", "models/diffusers", "diffusers"),  # ComfyUI
    *("models/sd-1/main", "sd-1/main", "models/sd-2/main", "sd-2/main"),  # InvokeAI
)
# Folders, in small letters, that hold something else than checkpoints.
OTHERS = """
    animatediff_models blip clip clip_vision codeformer configs controlnet controlnetpreprocessor deepbooru
    diffusion_models embeddings esrgan gfpgan gligen hypernetworks ip_adapter ip-adapter karlo ldsr locon lora loras
    lycoris photomaker realesrgan scunet style_models swinir t2i_adapter text_encoder text_encoders tokenizer
    torch_deepdanbooru unet upscale_models vae vae-approx vae_approx
"""
SKIPPED = frozenset(OTHERS.split())


def find_models(own: Path, others: Sequence[Path]) -> dict[str, Path]:
    """Return where each model stands, by name.

    own: Easel's models folder, searched whole. others: folders of other programs; in each the folders that they keep
    checkpoints in, or all of it where there are none. A name is the path below the folder without the ending; where two
    would have the same name, the later one keeps its ending or its folder's name.
    """
    places: dict[str, Path] = {}
    for root in (own, *others):
        known = [root / below for below in CHECKPOINTS if (root / below).is_dir()] if root in others else []
        for folder in known or [root]:
            for path in models_in(folder):
                below = path.relative_to(folder)
                names = (below.with_suffix("") if path.suffix.lower() in LISTED else below, below, folder.name / below)
                places.setdefault(next((str(n.as_posix()) for n in names if n.as_posix() not in places), ""), path)
    places.pop("", None)
    return places


def models_in(folder: Path) -> list[Path]:
    """Return the models below a folder, by name, preferred endings first."""
    ranks = {ending: rank for rank, ending in enumerate(LISTED)}
    found = walk(folder.expanduser(), DEEPEST, set())
    return sorted(found, key=lambda path: (ranks.get(path.suffix.lower(), -1), path.as_posix().casefold()))


def walk(folder: Path, depth: int, seen: set[str]) -> Iterator[Path]:
    """Yield the models below a folder. Links are followed, each folder once; what cannot be read is passed over."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if (path / "model_index.json").is_file():
                yield path
            elif depth and entry.name.casefold() not in SKIPPED:
                yield from walk(path, depth - 1, seen)
        elif path.suffix.lower() in LISTED and not path.stem.lower().endswith(".vae"):
            yield path


def named(places: dict[str, Path], name: str) -> list[str]:
    """Return the models that people may mean by `name`: with its ending, without its folder, in other letters' case."""
    wanted = name.casefold()
    for alike in (
        lambda known, path: {known, known + path.suffix},
        lambda known, path: {path.name, path.stem if path.suffix.lower() in LISTED else path.name},
    ):
        if found := [known for known, path in places.items() if wanted in map(str.casefold, alike(known, path))]:
            return found
    return []
