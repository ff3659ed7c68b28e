"""A picture grown beyond its edges, pass by pass, the old pixels kept bit for bit but for a feathered band."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL.Image import Image

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE
from easel.core.pictures import Mask, Outpaint
from easel.core.request import Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.media.reading import flat
from easel.media.resize import Size, resized
from easel.media.tensors import to_images
from easel.models.family import Model
from easel.prompt.fields import Fields
from easel.recipes.canvas import Canvas
from easel.recipes.common import Settled, recipes, settle
from easel.recipes.controls import lead_fields
from easel.recipes.finishing import finish
from easel.recipes.growing import Margins, grown, passes_of
from easel.recipes.leads import encode
from easel.recipes.painting import Painted, paint
from easel.recipes.passes import Leader
from easel.recipes.refiner import load_refiner, refiner_fields
from easel.recipes.starts import begun, cut, opened, recoloured, start_fields, start_of
from easel.recipes.worn import worn_by

MASK = Mask(blur=0)  # the feather is all the softness there is
NEXT_PASS = 1_000_003  # added to the seeds of each later pass, farther than batches reach


def check_outpaint(request: Request) -> None:
    """Raise BadValue naming start.image, start.resize or the side that would make the picture too large."""
    start, grow, image = start_of(request), outpaint_of(request), opened(request)
    if start.resize == "latent resize":
        raise BadValue("start.resize", start.resize, "one of the other ways to resize, for outpainting")
    size = first_size(request, image)
    allowed = f"a picture of at most {MAX_SIDE} pixels a side"
    for place, sides in enumerate((("left", "right"), ("top", "bottom"))):
        margins: list[int] = [getattr(grow, side) for side in sides]
        if size[place] > MAX_SIDE:
            raise BadValue("start.image", f"{size[0]}x{size[1]}", allowed, remedy="give a width and a height")
        if size[place] + sum(margins) > MAX_SIDE:
            side = sides[margins.index(max(margins))]
            grown_to = f"with {size[place]} of the picture this makes {size[place] + sum(margins)}"
            raise BadValue(f"outpaint.{side}", max(margins), allowed, remedy=grown_to)


@recipes.register("outpaint", needs=("start", "outpaint"), takes=("refiner",), check=check_outpaint)
def outpaint(request: Request, model: Model) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Encode the words; for each pass mirror the edges outwards, paint there and paste; the next begins from that."""
    start, grow, image = start_of(request), outpaint_of(request), opened(request)
    habits = model.defaults
    passes = passes_of(grow, grow.reach or cut(min(habits.width, habits.height) // 4, model.latent.multiple))
    first = settle(request.model_copy(update={"width": None, "height": None}), model)
    refiner = yield from load_refiner(request, model)
    lead = yield from encode(request, model, first.calls)
    images = [resized(flat(image), first_size(request, image), start.resize)]
    for number in range(len(passes) - 1):
        one = yield from grow_once(request, Leader(model, lead), refiner, images, passes, number)
        images = one.pasted(to_images(one.painted.pixels))
    last = yield from grow_once(request, Leader(model, lead), refiner, images, passes, len(passes) - 1)

    def edit(found: list[Image]) -> list[Image]:
        return last.pasted(recoloured(start, found, [canvas.working for canvas in last.each(found)]))

    more = start_fields(start) | outpaint_fields(grow) | refiner_fields(request, refiner)
    more |= {"Size": f"{last.size[0]}x{last.size[1]}", **(yield from lead_fields(request))}
    settled = replace(last.settled, request=request)
    return (yield from finish(settled, model, last.painted.pixels, more=more, edit=edit))


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """One pass that was made: its canvases, one a picture or one for all, what was painted, and its final size."""

    settled: Settled
    canvases: list[Canvas]
    painted: Painted
    size: Size

    def each(self, images: list[Image]) -> list[Canvas]:
        """Return a canvas for each image."""
        return self.canvases if len(self.canvases) == len(images) else self.canvases * len(images)

    def pasted(self, images: list[Image]) -> list[Image]:
        """Return what was painted, pasted on the canvases, without what filled them up to whole cells."""
        pairs = zip(self.each(images), images, strict=True)
        return [canvas.pasted(image).crop((0, 0, *self.size)) for canvas, image in pairs]


def grow_once(
    request: Request,
    leader: Leader,
    refiner: Model | None,
    images: list[Image],
    passes: Sequence[Margins],
    number: int,
) -> Generator[Work, Any, Growth]:
    """Ask for all work of pass `number`, from 0, over one picture for all of the batch or one for each."""
    margins, grow = passes[number], outpaint_of(request)
    canvases = [grown(image, margins, grow.feather, leader.model.latent.multiple) for image in images]
    settled = begun(settle(nth(request, number, canvases[0]), leader.model), leader.model)
    steps = len(settled.sigmas) - 1
    done, all_steps, worn = number * steps, len(passes) * steps, worn_by(request)
    painted = yield from paint(settled, leader, canvases, MASK, refiner, done=done, steps=all_steps, worn=worn)
    return Growth(settled, canvases, painted, margins.size(images[0]))


def outpaint_of(request: Request) -> Outpaint:
    """Return the request's outpaint; the recipe needs one."""
    if request.outpaint is None:
        raise BadValue("outpaint", None, f"given, for the recipe {request.recipe}")
    return request.outpaint


def first_size(request: Request, image: Image) -> Size:
    """Return width and height before the picture grows: the request's, or the start picture's own, uncut."""
    return request.width or image.width, request.height or image.height


def nth(request: Request, number: int, canvas: Canvas) -> Request:
    """Return the request of pass `number`, from 0: at its canvas's size, with seeds of its own."""
    width, height = canvas.working.size
    seed = request.seeds[0] + number * NEXT_PASS
    return request.model_copy(update={"width": width, "height": height, "seed": seed})


def outpaint_fields(grow: Outpaint) -> Fields:
    """Return what the infotext says of outpainting, where A1111 has no names."""
    sides = {side: getattr(grow, side) for side in ("left", "right", "top", "bottom")}
    found: Fields = {f"Outpaint {side}": pixels for side, pixels in sides.items() if pixels}
    found["Outpaint feather"] = grow.feather
    return found | ({"Outpaint reach": grow.reach} if grow.reach else {})
