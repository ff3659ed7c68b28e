"""Pictures in the place of words (image prompts): read once, and then led by in every step of their range.

Knows requests; what reads a picture and what becomes of it, adapters/pictures/ knows.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from io import BytesIO
from typing import Any

from PIL.Image import Image

from easel.adapters.pictures.adapter import wanted_tower
from easel.core.control import ImagePrompt
from easel.core.request import Request
from easel.core.work import Finish, Load, Wanted, Work
from easel.media.masks import mask_of
from easel.media.reading import open_image
from easel.models.family import Model
from easel.prompt.fields import Fields
from easel.prompt.units import prompt_text
from easel.recipes.acting import Acting
from easel.recipes.common import Settled
from easel.recipes.hints import Cut


def prompted_by(
    settled: Settled,
    model: Model,
    *,
    passing: str = "first",
    cut: Cut | None = None,
) -> Generator[Work, Any, list[Acting]]:
    """Ask for what image prompts make of their pictures for a pass. Raises RequestError, ModelError.

    cut: from a region over the whole picture to what of it lies over each picture of the pass.
    """
    found: list[Acting] = []
    cells = (settled.height // model.latent.downscale, settled.width // model.latent.downscale)
    for place, prompt in enumerate(settled.request.image_prompts):
        if not prompt.weight or not (settled.request.hires is None or prompt.passes in ("both", passing)):
            continue
        adapter: Any = yield Load(Wanted("ip_adapter", prompt.model))
        wanted = yield Finish(partial(wanted_tower, adapter, model, prompt))
        tower: Any = None if wanted is None else (yield Load(wanted))
        ready: list[Any] = []
        for one in regional(prompt, place, cut):
            ready.append((yield Finish(partial(adapter.prepare, model, one, tower, cells))))
        positive, negative = (tuple(getattr(one, side) for one in ready) for side in ("positive", "negative"))
        found.append(Acting(adapter, positive, negative, prompt.weight, prompt.start, prompt.end))
    return found


def regional(prompt: ImagePrompt, place: int, cut: Cut | None) -> list[ImagePrompt]:
    """Return an image prompt for each picture of a pass, with what of its region lies there; one for all alike."""
    if prompt.region is None or cut is None:
        return [prompt]
    region = mask_of(open_image(prompt.region, f"image_prompts[{place}].region"), "light")
    return [prompt.model_copy(update={"region": as_file(part)}) for part in cut(region, "just resize")]


def as_file(image: Image) -> bytes:
    """Return a mask as the bytes of a file."""
    kept = BytesIO()
    image.save(kept, "PNG")
    return kept.getvalue()


def picture_fields(request: Request) -> Fields:
    """Return what infotext says of image prompts."""
    return {f"Image prompt {place}": prompt_text(prompt) for place, prompt in enumerate(request.image_prompts)}
