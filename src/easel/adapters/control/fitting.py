"""Whether a control model fits a model, told in one line where it does not. Knows configs; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from easel.core.errors import Mismatch

MADE_FOR = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "SDXL", 1280: "SDXL's refiner"}


def misfit(name: str, model: Any, why: str) -> Mismatch:
    """Return the error of a control model that does not fit a model."""
    return Mismatch(f"control model {name!r} does not fit {model.name!r}: {why}; choose another.")


def denoiser_of(name: str, model: Any, part: str, kind: str = "") -> Any:
    """Return the denoiser of a model. part: "unet" or "transformer"; kind: its class, "" for any. Raises Mismatch."""
    found = model.parts.get(part)
    if found is None or (kind and type(found).__name__ != kind):
        has = next(type(model.parts[one]).__name__ for one in ("unet", "transformer") if one in model.parts)
        raise misfit(name, model, f"it is for {kind or 'a U-Net'}, and this model has {has}")
    return found


def check_unet(name: str, config: Mapping[str, Any], model: Any) -> Any:
    """Return the U-Net of a model that a ControlNet of this config fits. Raises Mismatch."""
    unet = denoiser_of(name, model, "unet")
    own = unet.config
    check_words(name, model, config["cross_attention_dim"], own["cross_attention_dim"])
    if config["in_channels"] != model.latent.channels:
        raise misfit(name, model, f"it reads latents of {config['in_channels']} channels, not {model.latent.channels}")
    for part, words in (("block_out_channels", "blocks of widths"), ("layers_per_block", "layers a block of")):
        mine, theirs = as_list(config[part]), as_list(own[part])
        if mine != theirs:
            raise misfit(name, model, f"it has {words} {shown(mine)}, and the model {shown(theirs)}")
    return unet


def check_words(name: str, model: Any, mine: Any, theirs: Any) -> None:
    """Raise Mismatch where a control model reads words of another width than the model gives."""
    if mine != theirs:
        told = f", as {MADE_FOR[mine]} has them" if mine in MADE_FOR else ""
        raise misfit(name, model, f"it reads words of {mine} numbers{told}, and the model gives {theirs}")


def as_list(value: Any) -> list[Any]:
    """Return a list of a config, or one number as a list."""
    return list(value) if isinstance(value, Sequence) else [value]


def shown(numbers: list[Any]) -> str:
    """Return numbers as people read them."""
    return ", ".join(map(str, numbers))
