"""A fitted network weighed by block: see blocks.py for what people write.

Knows U-Nets by their published names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from easel.adapters.networks.aliases import places_in
from easel.adapters.networks.blocks import BLOCK, block_weights, factor_of
from easel.adapters.networks.fitting import Fit


def weighed(fit: Fit, parts: Mapping[str, nn.Module], spec: str) -> Fit:
    """Return a fit with every piece at its block's weight; text encoders are BASE.

    Raises RequestError for a spec that is none, and where the model has no U-Net.
    """
    published = published_names(parts["unet"]) if "unet" in parts else {}
    inputs = [match[2] for name in published.values() if (match := BLOCK.match(name)) and match[1] == "input"]
    weights = block_weights(spec, len(set(inputs)))
    parts_weighed = {
        name: fitted.weighted(factor_of(weights, published if name == "unet" else {}))
        for name, fitted in fit.parts.items()
    }
    return replace(fit, parts=parts_weighed)


def published_names(unet: nn.Module) -> dict[str, str]:
    """Return the published name of each layer of a U-Net, with "_" for "."."""
    return {
        places[0].name: alias
        for alias, places in places_in(unet).items()
        if len(places) == 1 and (BLOCK.match(alias) or alias.startswith(("time_embed_", "out_", "label_emb_")))
    }
