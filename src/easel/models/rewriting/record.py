"""What was asked of a merge, and how its file tells of it afterwards; no torch.

A merged file carries the fields of the model specification (modelspec.*) that programs show, and Easel's own recipe
under "easel.merge": the models by letter, name and hash, the method and the ratios.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from easel.models.library.hashing import SHOWN, hash_of
from easel.models.rewriting.blocks import Blocks

if TYPE_CHECKING:
    from easel.models.rewriting.stock import Stock

KEY = "easel.merge"
LETTERS = "ABC"
DOWNSCALE = 8  # pixels along a side of a latent cell
# By family, variant and prediction, "" for any: the specification's name.
ARCHITECTURES = {
    ("sd", "1.x", ""): "stable-diffusion-v1",
    ("sd", "2.x", "epsilon"): "stable-diffusion-v2-512",
    ("sd", "2.x", "v_prediction"): "stable-diffusion-v2-768-v",
    ("sdxl", "base", ""): "stable-diffusion-xl-v1-base",
    ("sdxl", "refiner", ""): "stable-diffusion-xl-v1-refiner",
    ("sd3", "", ""): "stable-diffusion-3",
    ("flux", "dev", ""): "flux-1-dev",
    ("flux", "schnell", ""): "flux-1-schnell",
}
IMPLEMENTATIONS = {
    "sd": "https://github.com/CompVis/stable-diffusion",
    "sdxl": "https://github.com/Stability-AI/generative-models",
    "sd3": "https://github.com/Stability-AI/sd3-ref",
    "flux": "https://github.com/black-forest-labs/flux",
}
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a merge; None for what is left to the house.

    ratio: of B, for all that no other field speaks of. blocks: a preset's name or numbers, see merging_blocks.py. vae:
    "A", "B" or another model's name, whose autoencoder is taken whole. dtype: number format of the new file.
    """

    method: str = "weighted"
    ratio: float | None = None
    blocks: str | None = None
    text_ratio: float | None = None
    vae_ratio: float | None = None
    vae: str | None = None
    dtype: str | None = None


def record(
    stocks: Sequence[Stock], count: int, wish: Wish, blocks: Blocks | None, each: Sequence[float], *, title: str
) -> dict[str, str]:
    """Return the metadata of a merge; computes the hash of each model where it is not known yet.

    count: how many of the models the formula takes; one more gives its autoencoder.
    """
    models = [
        {"as": role, "name": stock.identity.name, "hash": hash_of(stock.source.files)[:SHOWN]}
        for role, stock in zip((*LETTERS[:count], "VAE"), stocks, strict=False)
    ]
    recipe: dict[str, Any] = {key: value for key, value in asdict(wish).items() if value is not None}
    if blocks:
        recipe["each"] = dict(zip(blocks.names, (round(ratio, 6) for ratio in each), strict=True))
    return {
        **specification(stocks[0], title),
        "modelspec.merged_from": ", ".join(model["name"] for model in models),
        KEY: json.dumps({"models": models, **recipe}, ensure_ascii=False),
    }


def specification(stock: Stock, title: str) -> dict[str, str]:
    """Return the model specification's fields of a file that holds a model of this kind."""
    identity = stock.identity
    kinds = (identity.family, identity.variant, identity.prediction), (identity.family, identity.variant, "")
    known = (ARCHITECTURES[kind] for kind in (*kinds, (identity.family, "", "")) if kind in ARCHITECTURES)
    fields = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": next(known, ""),
        "modelspec.implementation": IMPLEMENTATIONS.get(identity.family, ""),
        "modelspec.title": title,
        "modelspec.resolution": resolution(stock),
        "modelspec.prediction_type": PREDICTIONS.get(identity.prediction, ""),
    }
    return {field: value for field, value in fields.items() if value}


def resolution(stock: Stock) -> str:
    """Return the size of the pictures that a model was trained on, "" where it has no U-Net that tells."""
    if not any(entry.part == "unet" for entry in stock.entries.values()):
        return ""
    side = stock.source.config("unet").get("sample_size")
    return f"{side * DOWNSCALE}x{side * DOWNSCALE}" if isinstance(side, int) else ""
