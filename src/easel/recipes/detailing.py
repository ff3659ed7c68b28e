"""Regions of finished pictures found and painted anew at full resolution, each by its own words, and pasted back.

What ADetailer does, in its order. Regions whose work does not see one another are painted in one pass, those of all
pictures together. Around them every pixel stays as it is, bit for bit. Knows how to paint; attending.py and post/ know
how regions are found.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PIL.Image import Image

from easel.core.detail import Detail
from easel.core.errors import BadValue
from easel.core.passes import Shortcuts, Variation
from easel.core.pictures import Mask, Start
from easel.core.work import Finish, Load, Wanted, Work
from easel.media import masks
from easel.media.reading import open_image
from easel.media.resize import Size, resized
from easel.media.tensors import to_images
from easel.models.family import Model
from easel.post.faces import restore
from easel.post.finding import Finder, faces_in
from easel.post.regions import Region, apart, boxed, to_work_on
from easel.post.yolo import regions_found
from easel.recipes.attending import regions_by_words
from easel.recipes.canvas import Canvas, part_of
from easel.recipes.common import Settled, settle
from easel.recipes.leads import encode
from easel.recipes.painting import paint
from easel.recipes.passes import Leader
from easel.recipes.regional import Said, models_for, said_of
from easel.recipes.starts import begun
from easel.sampling import split_joint_name

AT_ONCE = 16  # regions of one pass: forwards are well filled, and others are never kept waiting long
HERE = Start(image=b"at hand")  # the picture that is worked on is open already
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One region to paint. picture: whose. seed: that picture's, and one more for each region before this one.

    box: of what the work sees.
    """

    picture: int
    seed: int
    region: Region
    said: Said
    box: masks.Box


def detailed(settled: Settled, model: Model, images: Sequence[Image]) -> Generator[Work, Any, list[Image]]:
    """Return the pictures of a settled request, in the order of its seeds, worked over by each of its details."""
    found = list(images)
    for place, detail in enumerate(settled.request.details):
        found = yield from worked_over(detail, place, settled, model, found)
    return found


def worked_over(
    detail: Detail, place: int, settled: Settled, model: Model, images: list[Image]
) -> Generator[Work, Any, list[Image]]:
    """Return pictures, RGB or RGBA, with the regions of detail number `place` painted anew."""
    request = settled.request
    for wanted in models_for(detail, request):
        model = yield Load(wanted)
    each = yield from regions_of(detail, place, settled, model, images)
    size = working_size(detail, settled)
    tasks: list[Task] = []
    for picture, (image, regions) in enumerate(zip(images, each, strict=True)):
        chosen = to_work_on(detail, regions, image.size)
        if not chosen:
            log.info("details[%d] found nothing in picture %d", place, picture)
        for number, (region, said) in enumerate(zip(chosen, said_of(detail, request, len(chosen)), strict=True)):
            if said is not None:
                box = canvas_for(detail, image, region, size).box
                tasks.append(Task(picture, request.seeds[picture] + number, region, said, box))
    alone = settled_for(detail, settled, model, tasks[:1], size) if tasks else settled
    groups = list(grouped(tasks, 1 if alone.sampler.facts["shares_steps"] else AT_ONCE))
    steps = len(alone.sigmas) - 1
    found = list(images)
    for number, group in enumerate(groups):
        part = settled_for(detail, settled, model, group, size)
        done = number * steps, len(groups) * steps
        yield from paint_group(detail, part, model, group, found, done)
    return found


def paint_group(
    detail: Detail, part: Settled, model: Model, group: Sequence[Task], images: list[Image], progress: tuple[int, int]
) -> Generator[Work, Any, None]:
    """Paint regions that do not see one another and lay them into `images`, which is changed."""
    size = part.width, part.height
    lead = yield from encode(part.request, model, part.calls)
    canvases = [canvas_for(detail, images[task.picture], task.region, size) for task in group]
    seeds = [task.seed for task in group]
    done, steps = progress
    mask = mask_for(detail)
    painted = yield from paint(part, Leader(model, lead), canvases, mask, seeds=seeds, done=done, steps=steps)
    worked = to_images(painted.pixels)
    if detail.faces is not None:
        worked = yield from restore(detail.faces, worked)
    for task, canvas, image, weight in zip(group, canvases, worked, painted.weights, strict=True):
        below = images[task.picture]
        seen = replace(canvas, picture=below.convert("RGB")).pasted(image, weight)
        if below.mode == "RGBA":
            seen.putalpha(below.getchannel("A"))
        images[task.picture] = seen


def regions_of(
    detail: Detail, place: int, settled: Settled, model: Model, images: Sequence[Image]
) -> Generator[Work, Any, list[list[Region]]]:
    """Return the regions that a detail finds in each picture."""
    least = detail.confidence
    match detail.by:
        case "words":
            return (yield from regions_by_words(detail.find, images, settled, model, least=least))
        case "faces":
            finder: Finder = yield Load(Wanted("faces", ""))
            found: list[list[Region]] = []
            for image in images:
                faces = yield Finish(partial(faces_in, image, finder, least=least))
                found.append([boxed(face, image.size) for face in faces])
            return found
        case "model":
            detector = yield Load(Wanted("detector", detail.find))
            find = partial(regions_found, detector=detector, least=least, classes=detail.classes)
            found = []
            for image in images:
                found.append((yield Finish(partial(find, image))))
            return found
        case "mask":
            return [[given(detail, place, image)] for image in images]


def given(detail: Detail, place: int, image: Image) -> Region:
    """Return the region that a detail's mask shows. Raises BadValue for one that is not of the picture's size."""
    field = f"details[{place}].mask"
    mask = masks.mask_of(open_image(detail.mask or b"", field), "light")
    if mask.size != image.size:
        sizes = f"{mask.width}x{mask.height}"
        raise BadValue(field, sizes, f"the picture's size, {image.width}x{image.height}")
    return Region(mask.point([0] * 128 + [255] * 128))


def mask_for(detail: Detail) -> Mask:
    """Return a detail as inpainting has it."""
    return Mask(blur=detail.blur, only_masked=detail.only_masked, padding=detail.padding)


def canvas_for(detail: Detail, image: Image, region: Region, size: Size) -> Canvas:
    """Return what a region is painted on: it and its padding enlarged to the working size, or the whole picture."""
    picture = image.convert("RGB")
    soft_edged = masks.blurred(region.mask, detail.blur)
    if detail.only_masked:
        return part_of(mask_for(detail), picture, soft_edged, "just resize", size)
    working, mask = resized(picture, size, "just resize"), resized(soft_edged, size, "just resize")
    return Canvas(picture, (0, 0, *picture.size), working, mask, soft_edged)


def working_size(detail: Detail, settled: Settled) -> Size:
    """Return width and height at which regions are worked on: the detail's, else those at which a picture is drawn."""
    return detail.width or settled.width, detail.height or settled.height


def settled_for(detail: Detail, settled: Settled, model: Model, group: Sequence[Task], size: Size) -> Settled:
    """Return the request by which regions of one prompt are painted, with the sigmas that the strength leaves."""
    request, said = settled.request, group[0].said
    sampler, joined = split_joint_name(detail.sampler or settled.sampler.name)
    schedule = detail.schedule or joined or settled.schedule
    scale = settled.scale if detail.cfg_scale is None else detail.cfg_scale
    noise = 1.0 if detail.noise_multiplier is None else detail.noise_multiplier
    own: dict[str, Any] = {
        "prompt": said.prompt,
        "negative_prompt": said.negative_prompt,
        "sampler": sampler,
        "sampler_options": request.sampler_options if sampler == settled.sampler.name else {},
        "schedule": schedule,
        "schedule_options": request.schedule_options if schedule == settled.schedule else {},
        "steps": detail.steps or settled.steps,
        "guidance": request.guidance.model_copy(update={"scale": scale}),
        "words": request.words.model_copy(update={"clip_skip": detail.clip_skip or request.words.clip_skip}),
        "start": HERE.model_copy(update={"strength": detail.strength, "noise_multiplier": noise}),
        "controls": detail.controls,
        "width": size[0],
        "height": size[1],
        "batch_size": len(group),
        **OTHERS,
    }
    return begun(settle(request.model_copy(update=own), model), model)


# What is the picture's own affair and has no part in the work on its regions.
OTHERS: dict[str, Any] = {
    "variation": Variation(),
    "shortcuts": Shortcuts(),
    "mask": None,
    "outpaint": None,
    "tiles": None,
    "hires": None,
    "refiner": None,
    "image_prompts": (),
    "details": (),
    "enlarge": None,
    "faces": (),
    "background": None,
    "seamless": "",
}


def grouped(tasks: Sequence[Task], at_once: int) -> Iterator[list[Task]]:
    """Yield the tasks in groups of one prompt that may be painted together, at most `at_once`, in an order that holds.

    Of two regions of one picture whose work sees the other, the later waits for the earlier.
    """
    rounds: dict[int, list[Task]] = {}
    for picture in dict.fromkeys(task.picture for task in tasks):
        own = [task for task in tasks if task.picture == picture]
        for number, members in enumerate(apart([task.box for task in own])):
            rounds.setdefault(number, []).extend(own[member] for member in members)
    for _, members in sorted(rounds.items()):
        for said in dict.fromkeys(task.said for task in members):
            alike = [task for task in members if task.said == said]
            for first in range(0, len(alike), at_once):
                yield alike[first : first + at_once]
