"""Part of a picture painted anew, the rest bit for bit as it was."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from PIL.Image import Image

from easel.core.pictures import Mask, Soft
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.models.family import Model
from easel.prompt.fields import Fields
from easel.recipes.canvas import canvas_of, check_modes, mask_image, own_picture
from easel.recipes.common import recipes, settle
from easel.recipes.controls import lead_fields
from easel.recipes.finishing import finish
from easel.recipes.leads import encode
from easel.recipes.painting import paint
from easel.recipes.passes import Leader
from easel.recipes.refiner import load_refiner, refiner_fields
from easel.recipes.starts import CELL, begun, latents_of, opened, recoloured, sized, start_fields, start_of
from easel.recipes.worn import worn_by


def check_mask(request: Request) -> None:
    """Raise BadValue naming start.image or mask.image for pictures that cannot be used, or not together."""
    mask, image = request.mask or Mask(), opened(request)
    check_modes(mask, start_of(request))
    mask_image(mask, image)
    working_size(request, mask, image)


def working_size(request: Request, mask: Mask, image: Image, multiple: int = CELL) -> Request:
    """Return the request with a size: the model's own habit for a masked part alone, else the start picture's."""
    return request if mask.only_masked else sized(request, image, multiple)


@recipes.register("inpaint", needs=("start", "mask"), takes=("refiner",), check=check_mask)
def inpaint(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Encode words and picture, sample where the mask is white, paste that over the picture."""
    start, mask, image = start_of(request), request.mask or Mask(), opened(request)
    settled = begun(settle(working_size(request, mask, image, model.latent.multiple), model), model)
    canvas = canvas_of(mask, image, start.resize, (settled.width, settled.height))
    refiner = yield from load_refiner(request, model)
    worn = worn_by(request)
    lead = yield from encode(request, model, settled.calls)
    latents = None
    if start.resize == "latent resize":
        latents = yield from latents_of(settled, model, [own_picture(mask, image)], start.resize, worn)
    painted = yield from paint(settled, Leader(model, lead), [canvas], mask, refiner, latents=latents, worn=worn)

    def edit(images: list[Image]) -> list[Image]:
        images = recoloured(start, images, [canvas.working] * len(images))
        return [canvas.pasted(image, weight) for image, weight in zip(images, painted.weights, strict=True)]

    more = start_fields(start) | mask_fields(mask, model) | refiner_fields(request, refiner)
    more |= yield from lead_fields(request)
    return (yield from finish(settled, model, painted.pixels, more=more, edit=edit))


def mask_fields(mask: Mask, model: Model) -> Fields:
    """Return what the infotext says of a mask, under A1111's names."""
    found: Fields = {}
    if model.inpaints:
        found["Conditional mask weight"] = mask.weight
    if mask.blur:
        found["Mask blur"] = int(mask.blur) if mask.blur.is_integer() else mask.blur
    if mask.invert:
        found["Mask mode"] = "Inpaint not masked"
    if mask.only_masked:
        found |= {"Inpaint area": "Only masked", "Masked area padding": mask.padding}
    if mask.fill != "original":
        found["Masked content"] = mask.fill
    return found | (soft_fields(mask.soft) if mask.soft else {})


def soft_fields(soft: Soft) -> Fields:
    """Return what the infotext says of soft inpainting, under the names of A1111's extension."""
    return {
        "Soft inpainting enabled": "True",
        "Soft inpainting schedule bias": soft.schedule_bias,
        "Soft inpainting preservation strength": soft.preservation,
        "Soft inpainting transition contrast boost": soft.contrast,
        "Soft inpainting mask influence": soft.mask_influence,
        "Soft inpainting difference threshold": soft.difference_threshold,
        "Soft inpainting difference contrast": soft.difference_contrast,
    }
