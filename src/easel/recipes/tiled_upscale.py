"""A picture enlarged and worked over tile by tile, so that detail comes back at any size ("SD upscale")."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Any

from PIL.Image import Image

from easel.core.errors import BadValue
from easel.core.pictures import Tiles
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Finish, Work
from easel.media.reading import flat
from easel.media.tensors import to_images, to_pixels
from easel.models.family import Model
from easel.post.enlarging import enlarged
from easel.post.upscalers import check_pixels, shown_name
from easel.prompt.fields import Fields
from easel.recipes.common import recipes, settle
from easel.recipes.conditioning import blank_conditioning
from easel.recipes.controls import lead_fields, led_by
from easel.recipes.finishing import decode, finish
from easel.recipes.hints import brought
from easel.recipes.leads import encode
from easel.recipes.noise import noise_of
from easel.recipes.passes import Leader, Pass, sample
from easel.recipes.refiner import load_refiner, refined, refiner_fields
from easel.recipes.starts import begun, latents_of, noisy, opened, recoloured, start_fields, start_of
from easel.recipes.tiles import Grid, grid_of, size_of

TILES_AT_ONCE = 16  # rows of one pass: forwards are well filled, and others are never kept waiting long


def check_tiles(request: Request) -> None:
    """Raise RequestError for what can be told of a tiled upscale without a model."""
    start, tiles = start_of(request), tiles_of(request)
    check_pixels(tiles.upscaler, "tiled upscaling")
    if start.resize != "just resize":
        raise BadValue("start.resize", start.resize, "just resize, for tiles.scale says the size")
    if request.seamless:
        raise BadValue("seamless", request.seamless, "off, for a tile's edges meet other tiles")
    size = size_of(tiles, opened(request))
    if request.width and request.height:
        grid_of(tiles, size, (request.width, request.height))


@recipes.register(
    "tiled_upscale",
    aliases=("sd_upscale", "upscale"),
    needs=("start", "tiles"),
    takes=("refiner",),
    check=check_tiles,
)
def tiled_upscale(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Enlarge the picture, sample every tile from it as its strength says, and melt the tiles together.

    Tile i of a picture, row by row, has its seed + i, as in A1111 with a batch size of 1.
    """
    start, tiles, image = start_of(request), tiles_of(request), flat(opened(request))
    whole = settle(request, model)
    grid = grid_of(tiles, size_of(tiles, image), (whole.width, whole.height), model.latent.multiple)
    width, height = grid.tile
    settled = begun(settle(request.model_copy(update={"width": width, "height": height}), model), model)
    refiner = yield from load_refiner(request, model)
    (large,) = yield from enlarged(tiles.upscaler, [image], [grid.size])
    cut = grid.cut(large)

    lead = yield from encode(request, model, settled.calls)
    extra = yield from blank_conditioning(settled, model)
    noise, pictures = noise_of(settled, model)
    at_once = 1 if settled.sampler.facts["shares_steps"] else TILES_AT_ONCE
    groups = [range(first, min(first + at_once, len(grid))) for first in range(0, len(grid), at_once)]
    steps = len(settled.sigmas) - 1
    total = steps * len(groups) * request.batch_size
    base = yield from refined(Pass(settled, Leader(model, lead), noise, pictures, extra=extra, steps=total), refiner)

    found: list[Image] = []
    done = 0
    for picture in range(request.batch_size):
        finished: list[Image] = []
        for group in groups:
            part = replace(settled, request=tile_request(request.one(picture), group))
            given = [cut[place] for place in group]
            latents = yield from latents_of(part, model, given, start.resize)
            over = partial(tiles_over, grid, group)
            acting = yield from led_by(part, model, pictures=given, cut=over)
            noise, pictures = noise_of(part, model)
            x = noisy(part, model, latents, noise)
            latents = yield from sample(replace(base, settled=part, x=x, pictures=pictures, acting=acting, done=done))
            pixels = yield from decode(part, base.last_leader.model, latents)
            finished += recoloured(start, to_images(pixels), given)
            done += steps
        found.append((yield Finish(partial(grid.joined, finished))))

    more = start_fields(start) | tiles_fields(tiles) | refiner_fields(request, refiner)
    more |= yield from lead_fields(request)
    asked = replace(settled, width=whole.width, height=whole.height)
    return (yield from finish(asked, model, to_pixels(found), more=more))


def tiles_of(request: Request) -> Tiles:
    """Return the request's tiles; the recipe needs them."""
    if request.tiles is None:
        raise BadValue("tiles", None, f"given, for the recipe {request.recipe}")
    return request.tiles


def tiles_over(grid: Grid, group: range, image: Image, how: str) -> list[Image]:
    """Return what of a picture over the whole lies over each tile of a group."""
    cut = grid.cut(brought(image, grid.size, how))
    return [cut[place] for place in group]


def tile_request(request: Request, group: range) -> Request:
    """Return a request for the tiles of `group` as pictures of one batch; `request` is for one picture."""
    every = request.model_copy(update={"batch_size": group.stop})
    return every.one(group.start).model_copy(update={"batch_size": len(group)})


def tiles_fields(tiles: Tiles) -> Fields:
    """Return what infotext says of tiles, under A1111's names and, where it has none, ours."""
    return {
        "SD upscale overlap": tiles.overlap,
        "SD upscale upscaler": shown_name(tiles.upscaler),
        "SD upscale scale": tiles.scale,
    }
