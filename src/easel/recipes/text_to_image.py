"""Pictures from words."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.models.family import Model
from easel.recipes.common import recipes, settle
from easel.recipes.conditioning import blank_conditioning
from easel.recipes.controls import lead_fields, led_by
from easel.recipes.finishing import decode, finish
from easel.recipes.hires import check_hires, hires_fields, prepare, second_pass
from easel.recipes.leads import encode
from easel.recipes.motion import moved_by
from easel.recipes.noise import noise_of
from easel.recipes.passes import Leader, Pass, sample
from easel.recipes.refiner import load_refiner, refined, refiner_fields
from easel.recipes.worn import worn_by


@recipes.register(
    "text_to_image", aliases=("txt2img",), needs=(), takes=("hires", "refiner", "motion"), check=check_hires
)
def text_to_image(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Encode the words, sample from noise, where asked enlarge and sample again, decode."""
    settled = settle(request, model)
    second = second_pass(settled, model)
    refiner = yield from load_refiner(request, model)
    lead = yield from encode(request, model, settled.calls)
    worn = worn_by(request)
    extra = yield from blank_conditioning(settled, model, worn)
    acting = (*(yield from led_by(settled, model)), *(yield from moved_by(request, model)))
    noise, pictures = noise_of(settled, model)
    x = model.path.noised(0.0, noise, settled.sigmas[0])
    steps = sum(len(one.sigmas) - 1 for one in (settled, second) if one)
    one = Pass(settled, Leader(model, lead), x, pictures, extra=extra, worn=worn, acting=acting, steps=steps)
    if second is None:
        one = yield from refined(one, refiner)
    latents = yield from sample(one)
    if second is not None:  # the refiner acts in the second pass alone, A1111's habit
        one = yield from prepare(one, second, latents, refiner)
        latents = yield from sample(one)
    pixels = yield from decode(one.settled, one.last_leader.model, latents, worn)
    more = hires_fields(settled, second) | refiner_fields(request, refiner) | (yield from lead_fields(request))
    return (yield from finish(settled, model, pixels, more=more))
