"""From jobs that have ended to what this dialect answers: pictures in base64 and the JSON text beside them.

Nothing here waits or asks; whoever calls brings the pictures' files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from easel.api.a1111.chosen import Asked, Sheet
from easel.api.a1111.wire import ImageToImage
from easel.api.pictures import text_of
from easel.core.request import Request
from easel.core.version import version
from easel.prompt.infotext import Infotext, read

# What `info` tells by names of its own; the other fields of an infotext are its "extra_generation_params".
TOLD = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Model hash", "VAE", "VAE hash",
    "Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength", "Clip skip", "Version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of an answer, or a film. file: in the format that was asked for, which ends so.

    request: whose picture it is, and its place.
    """

    file: bytes
    seed: int
    infotext: str
    request: Request
    place: int
    ending: str

    @property
    def subseed(self) -> int:
        """The seed of its variation, its own where there is none, as A1111 counts them."""
        return self.request.variation_seeds[self.place] if self.request.variation.strength else self.seed


def answer(
    asked: Asked, shown: Sequence[Shown], sheets: Sequence[bytes] = (), maps: Sequence[bytes] = (), *, created: float
) -> dict[str, Any]:
    """Return the answer to a call: its pictures, sheets first, the echo of its body and what is told of them.

    maps: hints, which stand last. created: seconds since 1970 at which the call began.
    """
    files = [*sheets, *(one.file for one in shown)] if asked.sheet is None or asked.sheet.cells else list(sheets)
    return {
        "images": [text_of(file) for file in (*files, *maps)] if asked.wire.send_images else [],
        "parameters": echo(asked),
        "info": json.dumps(info(asked, shown, len(sheets), created), ensure_ascii=False),
    }


def echo(asked: Asked) -> dict[str, Any]:
    """Return the body again; its pictures only where that was asked for."""
    wire = asked.wire
    found = wire.model_dump()
    if isinstance(wire, ImageToImage) and not wire.include_init_images:
        found |= {"init_images": None, "mask": None}
    return found


def info(asked: Asked, shown: Sequence[Shown], sheets: int, created: float) -> dict[str, Any]:
    """Return what is told of the pictures, by A1111's names. sheets: how many of them stand before the first."""
    wire = asked.wire
    first = asked.requests[0]
    said = read(shown[0].infotext) if shown else Infotext("")
    seeds = [one.seed for one in shown]
    subseeds = [one.subseed for one in shown]
    texts = [one.infotext for one in shown]
    if sheets:
        texts = [texts[0] if texts else ""] * sheets + (texts if asked.sheet is None or asked.sheet.cells else [])
    resized = first.variation.resize_from or (wire.seed_resize_from_w, wire.seed_resize_from_h)
    return {
        "prompt": first.prompt,
        "all_prompts": [one.request.prompt for one in shown],
        "negative_prompt": first.negative_prompt,
        "all_negative_prompts": [one.request.negative_prompt for one in shown],
        "seed": seeds[0] if seeds else first.seed,
        "all_seeds": seeds,
        "subseed": subseeds[0] if subseeds else first.seed,
        "all_subseeds": subseeds,
        "subseed_strength": first.variation.strength,
        "width": first.width or (said.size or (0, 0))[0],
        "height": first.height or (said.size or (0, 0))[1],
        "sampler_name": said.fields.get("Sampler", first.sampler),
        "cfg_scale": first.guidance.scale,
        "steps": first.steps,
        "batch_size": wire.batch_size,
        "restore_faces": bool(first.faces),
        "face_restoration_model": first.faces[0].restorer if first.faces else None,
        "sd_model_name": said.fields.get("Model", first.model),
        "sd_model_hash": said.fields.get("Model hash"),
        "sd_vae_name": first.components.vae,
        "sd_vae_hash": said.fields.get("VAE hash"),
        "seed_resize_from_w": resized[0],
        "seed_resize_from_h": resized[1],
        "denoising_strength": wire.denoising_strength,
        "extra_generation_params": {name: value for name, value in said.fields.items() if name not in TOLD},
        "index_of_first_image": sheets if asked.sheet is None or asked.sheet.cells else 0,
        "infotexts": texts,
        "styles": list(wire.styles or ()),
        "job_timestamp": stamp(created),
        "clip_skip": first.words.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": f"Easel {version()}",
    }


def stamp(seconds: float) -> str:
    """Return a time of the local clock as this dialect writes it, such as 20261121100530."""
    return datetime.fromtimestamp(seconds).strftime("%Y%m%d%H%M%S")


def sheets_of(sheet: Sheet, shown: Sequence[Shown], format: str, quality: int) -> list[bytes]:
    """Return the sheets of a grid, one for each value of z, as files. Loads recipes, so call it in a thread."""
    from easel.core.result import Picture
    from easel.media.images import grid as plain
    from easel.media.metadata import encode
    from easel.media.reading import open_image
    from easel.media.sheets import labelled
    from easel.recipes.grids import heads, script_fields

    grid = sheet.grid
    size = len(grid.x) * len(grid.y)
    found: list[bytes] = []
    for place, value in enumerate(grid.z.values):
        some = shown[place * size : (place + 1) * size]
        images = [open_image(one.file, "picture") for one in some]
        title = f"{grid.z.label}: {value}" if grid.z.label else ""
        if sheet.labels:
            image = labelled(images, heads(grid.x), heads(grid.y), title=title, gap=sheet.gap)
        else:
            image = plain(images, len(grid.x))
        picture = Picture(image, some[0].seed, f"{some[0].infotext}, {script_fields(grid)}")
        found.append(encode(picture.image, picture.infotext, format=format, quality=quality))
    return found


def contact_sheet(shown: Sequence[Shown], format: str, quality: int) -> bytes:
    """Return all pictures on one sheet, with the infotext of the first, as a file."""
    from easel.media.images import grid as plain
    from easel.media.metadata import encode
    from easel.media.reading import open_image

    sheet = plain([open_image(one.file, "picture") for one in shown])
    return encode(sheet, shown[0].infotext, format=format, quality=quality)
