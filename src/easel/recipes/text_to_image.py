"""Pictures from words."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.models.family import Model
from easel.recipes.common import recipes, settle
from easel.recipes.finishing import decode, finish
from easel.recipes.leads import encode
from easel.recipes.noise import noise_of
from easel.recipes.passes import Leader, Pass, sample


@recipes.register("text_to_image", aliases=("txt2img",), needs=(), takes=())
def text_to_image(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Encode the words, sample from noise, decode."""
    settled = settle(request, model)
    lead = yield from encode(request, model, settled.calls)
    noise, pictures = noise_of(settled, model)
    x = model.path.noised(0.0, noise, settled.sigmas[0])
    latents = yield from sample(Pass(settled, Leader(model, lead), x, pictures))
    pixels = yield from decode(settled, model, latents)
    return (yield from finish(settled, model, pixels))
