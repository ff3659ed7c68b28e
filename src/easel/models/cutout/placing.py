"""A picture by its mask: transparent around, or before a colour or another picture, without the old background's tint.

Knows masks and colours; where a mask comes from is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
from PIL import Image

from easel.media.hints.registry import with_alpha
from easel.media.reading import flat, open_image
from easel.media.resize import resized
from easel.models.cutout.spreading import spread

if TYPE_CHECKING:
    from easel.core.finishing import Background

SURE = 0.1  # of a share, within which a pixel counts as wholly one of the two


def cut_out(image: Image.Image, mask: Image.Image, background: Background) -> Image.Image:
    """Return what a picture shows, as `background` asks: the mask itself (L), before a colour or a picture (RGB), or
    transparent around (RGBA).

    mask: how much of each pixel is shown, of the picture's size. Raises BadValue for a picture behind that is none.
    """
    if background.mask_only:
        return mask
    shown = without_tint(flat(with_alpha(image)), mask)
    if background.image is not None:
        behind = flat(resized(open_image(background.image, "background.image"), image.size, "crop and resize"))
    elif background.colour:
        behind = Image.new("RGB", image.size, background.colour)
    else:
        shown.putalpha(mask)
        return shown
    return Image.composite(shown, behind, mask)


def without_tint(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Return an RGB picture in which pixels at the mask's edge have the colour of what is shown alone.

    Such a pixel is a mixture, in the mask's shares, of that and the background beside it, whose colour is taken out;
    the less is shown of it the more counts the colour that is next to it.
    """
    share = numpy.asarray(mask, numpy.float32)[..., None] / 255
    mixed = (share > 0) & (share < 1)
    if not mixed.any() or not (share == 1).any():
        return image.copy()
    levels = numpy.asarray(image, numpy.float32)
    behind = spread(levels, (1 - share[..., 0] / SURE).clip(0, 1))
    beside = spread(levels, ((share[..., 0] - 1) / SURE + 1).clip(0, 1))
    alone = ((levels - (1 - share) * behind) / numpy.maximum(share, SURE)).clip(0, 255)
    found = numpy.where(mixed, share * alone + (1 - share) * beside, levels)
    found = numpy.where(share > 0, found, beside)  # unseen, but what scales a picture mixes it in again
    return Image.fromarray(found.round().astype(numpy.uint8))
