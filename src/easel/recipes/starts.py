"""What recipes that start from a picture share: opening it, its size, its latents, and the noise laid over them.

Knows the request's `start` and A1111's order of work; does not know masks.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE
from easel.core.pictures import Start
from easel.core.request import Request
from easel.core.work import EncodeImages, Work, Worn
from easel.media.colours import matched
from easel.media.reading import open_image
from easel.media.resize import just_resize, resized
from easel.media.tensors import to_pixels
from easel.models.family import Model
from easel.prompt.fields import Fields
from easel.recipes.common import Settled
from easel.recipes.strength import weakened

CELL = 8  # pixels that sizes are cut to, where no model asks for more
LEAST = 1e-9  # A1111 makes one call, at the lowest level, at a strength of 0


def start_of(request: Request) -> Start:
    """Return the request's start; a recipe that calls this needs one."""
    if request.start is None:
        raise BadValue("start", None, f"given, for the recipe {request.recipe}")
    return request.start


def opened(request: Request) -> Image:
    """Return the start picture, RGB or RGBA. Raises BadValue naming start.image."""
    return open_image(start_of(request).image, "start.image")


def cut(side: int, multiple: int = CELL) -> int:
    """Return a side in pixels cut to a multiple of `multiple`, at least that."""
    return max(side // multiple * multiple, multiple)


def sized(request: Request, image: Image, multiple: int = CELL) -> Request:
    """Return the request with the start picture's width and height, cut to multiples, where it gives none.

    Raises BadValue naming start.image where that is larger than a request may ask for.
    """
    start = start_of(request)
    for name, own, given in (("width", image.width, request.width), ("height", image.height, request.height)):
        if cut(own) > MAX_SIDE and (given is None or start.resize == "latent resize"):
            remedy = f"give a {name}" if given is None else "choose another way to resize"
            raise BadValue("start.image", f"{image.width}x{image.height}", f"at most {MAX_SIDE} a side", remedy=remedy)
    own = {"width": cut(image.width, multiple), "height": cut(image.height, multiple)}
    return request.model_copy(update={name: getattr(request, name) or side for name, side in own.items()})


def begun(settled: Settled, model: Model) -> Settled:
    """Return the request with the sigmas that its start's strength leaves, by A1111's arithmetic."""
    start = start_of(settled.request)
    all_steps = start.all_steps and start.strength > 0
    return weakened(settled, model, start.strength or LEAST, all_steps=all_steps, field="start")


def latents_of(
    settled: Settled, model: Model, images: list[Image], how: str, worn: tuple[Worn, ...] = ()
) -> Generator[Work, Any, Tensor]:
    """Ask for the latents (n, channels, height, width) of n RGB pictures of one size, at the request's size.

    how: a resize mode; "latent resize" encodes the pictures at their own size and stretches the latents.
    """
    size = (settled.width, settled.height)
    if how == "latent resize":
        own = [just_resize(image, (cut(image.width), cut(image.height))) for image in images]
        latents: Tensor = yield EncodeImages(model, to_pixels(own), settled.request.alone, worn)
        cells = (settled.height // model.latent.downscale, settled.width // model.latent.downscale)
        return torch.nn.functional.interpolate(latents, size=cells, mode="bilinear", align_corners=False)
    pixels = to_pixels([resized(image, size, how) for image in images])
    return (yield EncodeImages(model, pixels, settled.request.alone, worn))


def noisy(settled: Settled, model: Model, latents: Tensor, noise: Tensor) -> Tensor:
    """Return latents under the noise of the first level, with the start's multiplier and extra noise."""
    start = start_of(settled.request)
    noise = noise * start.noise_multiplier
    x = model.path.noised(latents, noise, settled.sigmas[0])
    return x + noise * start.extra_noise if start.extra_noise else x


def recoloured(start: Start, images: list[Image], like: list[Image]) -> list[Image]:
    """Return images with the colours of those at the same places in `like`, where the start asks for it."""
    if not start.match_colours:
        return images
    return [matched(image, colours) for image, colours in zip(images, like, strict=True)]


def start_fields(start: Start) -> Fields:
    """Return what the infotext says of a start, under A1111's names and, where it has none, ours."""
    found: Fields = {"Denoising strength": start.strength}
    if start.resize != "just resize":
        found["Resize mode"] = start.resize.capitalize()
    if start.all_steps:
        found["All steps"] = "True"
    if start.noise_multiplier != 1:
        found["Noise multiplier"] = start.noise_multiplier
    if start.extra_noise:
        found["Extra noise"] = start.extra_noise
    if start.match_colours:
        found["Color correction"] = "True"
    return found
