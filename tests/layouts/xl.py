"""Stable Diffusion XL as Stability's generative-models lays it out: base, inpainting and refiner."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.layouts.text import CLIP_G, CLIP_L, SMALL_G, SMALL_L, Tower, clip, open_clip, within
from tests.ldm import FULL_1, Build, Shapes, unet_shapes, vae_shapes


@dataclass(frozen=True)
class XL:
    """The sizes of a checkpoint. first: none in the refiner."""

    build: Build
    first: Tower | None
    second: Tower


FULL_BASE = XL(
    replace(
        FULL_1,
        second=True,
        widths=(1, 2, 4),
        attends=(False, True, True),
        depths=(0, 2, 10),
        told=2816,
        context=2048,
    ),
    CLIP_L,
    CLIP_G,
)
FULL_REFINER = XL(
    replace(
        FULL_1,
        second=True,
        base=384,
        attends=(False, True, True, False),
        depths=(0, 4, 4, 4),
        told=2560,
        context=1280,
    ),
    None,
    CLIP_G,
)
SMALL_BUILD = Build(second=True, base=64, widths=(1, 2, 2), attends=(False, True, True), layers=1)
SMALL_BASE = XL(replace(SMALL_BUILD, depths=(0, 1, 2), told=128 + 6 * 256, context=192), SMALL_L, SMALL_G)
SMALL_REFINER = XL(
    replace(
        SMALL_BUILD,
        widths=(1, 2, 2, 2),
        attends=(False, True, True, False),
        depths=(0, 2, 2, 2),
        told=128 + 5 * 256,
        context=128,
    ),
    None,
    SMALL_G,
)


def xl_shapes(size: XL) -> Shapes:
    """Return the shapes of all tensors of a published file."""
    found = within("model.diffusion_model.", unet_shapes(size.build))
    found |= within("first_stage_model.", vae_shapes(size.build))
    if size.first is None:
        found |= within("conditioner.embedders.0.model.", open_clip(size.second))
    else:
        found |= within("conditioner.embedders.0.transformer.", clip(size.first))
        found |= within("conditioner.embedders.1.model.", open_clip(size.second))
    return found | {"denoiser.sigmas": (1000,)}
