"""What is painted on: the picture, the part of it that is worked on, its mask, and how the work is pasted back.

Pictures in, pictures out; nothing here asks for work or knows latents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL.Image import Image

from easel.core.errors import BadValue
from easel.core.pictures import Mask, Start
from easel.media import masks
from easel.media.reading import flat, open_image
from easel.media.resize import Size, resized


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """One picture to paint on.

    picture: RGB, all of it. box: the part worked on. working: RGB, that part at the working size, as the work begins.
    mask: L, of working's size. weight: L, of the picture's size, how much of the work is pasted: 0 leaves the picture
    bit for bit.
    """

    picture: Image
    box: masks.Box
    working: Image
    mask: Image
    weight: Image

    def part(self, image: Image) -> Image:
        """Return what of an image at the working size lies over `box`, at the box's own size."""
        left, top, right, bottom = self.box
        return resized(image, (right - left, bottom - top), "crop and resize")

    def pasted(self, image: Image, weight: Image | None = None) -> Image:
        """Return the picture with an image at the working size pasted in. weight: in place of its own."""
        over = self.picture.copy()
        over.paste(self.part(image), self.box[:2])
        return masks.pasted(self.picture, over, weight or self.weight)


def mask_image(mask: Mask, image: Image) -> Image:
    """Return a request's mask, mode L, of the start picture's size, before any blur. Raises BadValue naming the field.

    image: the start picture, whose transparency counts where the request brings no mask; what is clear is painted.
    """
    if mask.image is None:
        if image.mode != "RGBA":
            allowed = "a mask, where the start picture has no transparency"
            raise BadValue("mask.image", None, allowed)
        found = masks.inverted(masks.mask_of(image, "alpha"))
    else:
        opened = open_image(mask.image, "mask.image")
        if opened.size != image.size:
            sizes = f"{opened.width}x{opened.height}"
            raise BadValue("mask.image", sizes, f"the start picture's size, {image.width}x{image.height}")
        if mask.channel == "alpha" and opened.mode != "RGBA":
            raise BadValue("mask.channel", "alpha", "light, for this mask has no transparency")
        found = masks.mask_of(opened, mask.channel)
    found = masks.inverted(found) if mask.invert else found
    if masks.is_black(found):
        got = "black everywhere once inverted" if mask.invert else "black everywhere"
        raise BadValue("mask.image", got, "a mask with white in it", remedy="there is nothing to paint")
    return found


def check_modes(mask: Mask, start: Start) -> None:
    """Raise BadValue for a resize mode where the masked part alone is worked on, which is always shown whole."""
    if mask.only_masked and start.resize != "just resize":
        raise BadValue("start.resize", start.resize, "just resize together with mask.only_masked")


def canvas_of(mask: Mask, image: Image, how: str, size: Size) -> Canvas:
    """Return what a request with a mask paints on. image: the start picture. size: the working size in pixels."""
    soft_edged = masks.blurred(mask_image(mask, image), mask.blur)
    made = (part_of if mask.only_masked else all_of)(mask, flat(image), soft_edged, how, size)
    return made if mask.fill == "original" else replace(made, working=masks.filled(made.working, made.mask))


def own_picture(mask: Mask, image: Image) -> Image:
    """Return the start picture, RGB at its own size, as the work begins."""
    soft_edged = masks.blurred(mask_image(mask, image), mask.blur)
    return flat(image) if mask.fill == "original" else masks.filled(flat(image), soft_edged)


def all_of(mask: Mask, image: Image, soft_edged: Image, how: str, size: Size) -> Canvas:
    """Return the whole picture as a canvas, resized; all that the edge of the mask touches is well pasted over."""
    working, resized_mask = resized(image, size, how), resized(soft_edged, size, how)
    return Canvas(working, (0, 0, *size), working, resized_mask, masks.doubled(resized_mask))


def part_of(mask: Mask, image: Image, soft_edged: Image, how: str, size: Size) -> Canvas:
    """Return the masked part with its padding as a canvas, enlarged or reduced to the working size."""
    box = masks.work_box(soft_edged, mask.padding, size)
    working, resized_mask = (resized(one.crop(box), size, "resize and fill") for one in (image, soft_edged))
    return Canvas(image, box, working, resized_mask, soft_edged)
