"""Finished pictures made larger, with better faces or without their background, as requests for the queue.

What /extra-single-image, /extra-batch-images and the background remover's /rembg ask for. Opens no picture.
"""

from __future__ import annotations

from easel.api.a1111.asked import Fields, made
from easel.api.a1111.wire import Extras, Rembg
from easel.core.errors import Unsupported
from easel.core.request import Request
from easel.post.upscalers import check_pixels

RECIPE = "process"
NONE = "none"
GFPGAN, CODEFORMER = "GFPGAN", "CodeFormer"


def request_of(wire: Extras, file: bytes) -> Request | None:
    """Return what is to become of a picture, None where nothing is. Raises RequestError in the dialect's words."""
    asked = {"enlarge": enlarging(wire), "faces": restoring(wire)}
    fields = {part: found for part, found in asked.items() if found}
    return made({"recipe": RECIPE, "start": {"image": file}, **fields}) if fields else None


def enlarging(wire: Extras) -> Fields:
    """Return how a picture is made larger; without a first upscaler it is not, as in A1111, whatever the second is."""
    if wire.upscaler_1.strip().casefold() == NONE:
        return {}
    second = wire.upscaler_2 if wire.upscaler_2.strip().casefold() != NONE else None
    for name in (wire.upscaler_1, second):
        if name is not None:
            check_pixels(name, "enlarging a picture")
    size: Fields = {"scale": wire.upscaling_resize}
    if wire.resize_mode == 1:
        size = {"width": wire.upscaling_resize_w, "height": wire.upscaling_resize_h}
    return {
        "upscaler": wire.upscaler_1,
        "second": second,
        "second_share": wire.extras_upscaler_2_visibility,
        **size,
        "crop": wire.upscaling_crop,
        "first": wire.upscale_first,
    }


def restoring(wire: Extras) -> list[Fields]:
    """Return the restorers of faces that are to be seen, in A1111's order."""
    found: list[Fields] = []
    if wire.gfpgan_visibility:
        found.append({"restorer": GFPGAN, "visibility": wire.gfpgan_visibility})
    if wire.codeformer_visibility:
        visibility, weight = wire.codeformer_visibility, wire.codeformer_weight
        found.append({"restorer": CODEFORMER, "visibility": visibility, "fidelity": weight})
    return found


def cut_out(wire: Rembg, file: bytes) -> Request:
    """Return a picture's cutting out of its background. Raises Unsupported for what cannot be honoured, by name."""
    if wire.alpha_matting:
        raise Unsupported("alpha_matting cannot be honoured; leave it false.")
    background = {"model": wire.model, "mask_only": wire.return_mask}
    return made({"recipe": RECIPE, "start": {"image": file}, "background": background})
