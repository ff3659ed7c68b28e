"""Pictures from words."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.models.family import Model
from easel.recipes.common import decode, encode, recipes, sample, settle


@recipes.register("text_to_image", aliases=("txt2img",))
def text_to_image(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Encode the words, sample from noise, decode."""
    settled = settle(request, model)
    lead = yield from encode(request, model)
    latents = yield from sample(settled, model, lead)
    return (yield from decode(settled, model, latents))
