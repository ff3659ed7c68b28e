"""Pictures from a picture and words."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from PIL.Image import Image

from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.media.reading import flat
from easel.media.resize import resized
from easel.models.family import Model
from easel.recipes.common import recipes, settle
from easel.recipes.conditioning import blank_conditioning
from easel.recipes.controls import lead_fields, led_by
from easel.recipes.finishing import decode, finish
from easel.recipes.leads import encode
from easel.recipes.motion import moved_by
from easel.recipes.noise import noise_of
from easel.recipes.passes import Leader, Pass, sample
from easel.recipes.refiner import load_refiner, refined, refiner_fields
from easel.recipes.starts import begun, latents_of, noisy, opened, recoloured, sized, start_fields, start_of
from easel.recipes.worn import worn_by


def check_start(request: Request) -> None:
    """Raise BadValue naming start.image for a picture that cannot be used."""
    sized(request, opened(request))


@recipes.register(
    "image_to_image", aliases=("img2img",), needs=("start",), takes=("refiner", "motion"), check=check_start
)
def image_to_image(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Encode words and picture, lay noise over the picture as its strength says, sample from there, decode."""
    start, image = start_of(request), flat(opened(request))
    settled = begun(settle(sized(request, image, model.latent.multiple), model), model)
    refiner = yield from load_refiner(request, model)
    worn = worn_by(request)
    lead = yield from encode(request, model, settled.calls)
    latents = yield from latents_of(settled, model, [image], start.resize, worn)
    extra = yield from blank_conditioning(settled, model, worn)
    like = resized(image, (settled.width, settled.height), start.resize)
    acting = (*(yield from led_by(settled, model, pictures=[like])), *(yield from moved_by(request, model)))
    noise, pictures = noise_of(settled, model)
    x = noisy(settled, model, latents, noise)
    first = Pass(settled, Leader(model, lead), x, pictures, extra=extra, worn=worn, acting=acting)
    one = yield from refined(first, refiner)
    latents = yield from sample(one)
    pixels = yield from decode(settled, one.last_leader.model, latents, worn)

    def edit(images: list[Image]) -> list[Image]:
        return recoloured(start, images, [like] * len(images))

    more = start_fields(start) | refiner_fields(request, refiner) | (yield from lead_fields(request))
    return (yield from finish(settled, model, pixels, more=more, edit=edit))
