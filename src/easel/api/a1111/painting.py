"""What /img2img asks of pictures: where to start, what is painted, as fields of core.Request.

Opens pictures only to bring a mask to its picture's size and to see whether it speaks by its transparency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from easel.api.a1111.asked import Fields, shared_fields
from easel.api.a1111.options import Options
from easel.api.a1111.wire import ImageToImage
from easel.api.pictures import file_in
from easel.core.errors import BadValue, Unsupported
from easel.core.pictures import Fill, Resize
from easel.prompt.styles import Style

RESIZES: tuple[str, ...] = get_args(Resize)  # by resize_mode
FILLS: tuple[str, ...] = get_args(Fill)  # by inpainting_fill


def image_fields(
    wire: ImageToImage, options: Options, styles: Iterable[Style] = (), soft: Mapping[str, Any] | None = None
) -> list[Fields]:
    """Return the request fields of /img2img: once, or once for each picture where several are given.

    soft: of soft inpainting. Raises RequestError.
    """
    files = starts_of(wire)
    fields = shared_fields(wire, options, styles)
    found: list[Fields] = []
    for file in files:
        own = {"start": start_fields(wire, options, file), "recipe": "image_to_image"}
        if wire.mask is not None:
            own |= {"mask": mask_fields(wire, options, file, soft), "recipe": "inpaint"}
        elif soft is not None:
            raise BadValue("alwayson_scripts Soft Inpainting", True, "used together with a mask")
        found.append(fields | own | ({"batch_size": 1} if len(files) > 1 else {}))
    return found


def starts_of(wire: ImageToImage) -> list[bytes]:
    """Return the files to begin from. Raises BadValue where there is none, or one for which the batch has no place."""
    count = len(wire.init_images)
    if not count:
        raise BadValue("init_images", "nothing", "at least one picture")
    if 1 < count != wire.batch_size:
        raise BadValue("init_images", f"{count} pictures", f"one, or batch_size, {wire.batch_size}")
    return [file_in(text, f"init_images {place}") for place, text in enumerate(wire.init_images)]


def start_fields(wire: ImageToImage, options: Options, file: bytes) -> Fields:
    """Return the fields of a start."""
    multiplier = wire.initial_noise_multiplier
    return {
        "image": file,
        "resize": RESIZES[wire.resize_mode],
        "strength": wire.denoising_strength,
        "all_steps": options["img2img_fix_steps"],
        "noise_multiplier": options["initial_noise_multiplier"] if multiplier is None else multiplier,
        "extra_noise": options["img2img_extra_noise"],
        "match_colours": options["img2img_color_correction"],
    }


def mask_fields(wire: ImageToImage, options: Options, start: bytes, soft: Mapping[str, Any] | None) -> Fields:
    """Return the fields of a mask. Raises Unsupported for what cannot be honoured, by name."""
    blur = wire.mask_blur
    if blur is None and wire.mask_blur_x != wire.mask_blur_y:
        raise Unsupported(
            f"mask_blur_x {wire.mask_blur_x} and mask_blur_y {wire.mask_blur_y} cannot be honoured; give one blur."
        )
    if wire.latent_mask is not None:
        raise Unsupported("latent_mask cannot be honoured; give mask.")
    if not wire.mask_round:
        raise Unsupported('mask_round false cannot be honoured; use the script "Soft Inpainting".')
    file, channel = fitted(file_in(wire.mask or "", "mask"), start)
    return {
        "image": file,
        "channel": channel,
        "invert": bool(wire.inpainting_mask_invert),
        "blur": wire.mask_blur_x if blur is None else blur,
        "fill": FILLS[wire.inpainting_fill],
        "only_masked": wire.inpaint_full_res,
        "padding": wire.inpaint_full_res_padding,
        "weight": options["inpainting_mask_weight"],
        "soft": soft,
    }


def fitted(mask: bytes, start: bytes) -> tuple[bytes, str]:
    """Return a mask's file at the size of its picture, and the channel that it speaks by: "alpha" or "light"."""
    from easel.media.reading import open_image, png_bytes
    from easel.media.resize import just_resize

    image, picture = open_image(mask, "mask"), open_image(start, "init_images")
    clear = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
    channel = "alpha" if clear else "light"
    if image.size == picture.size:
        return mask, channel
    return png_bytes(just_resize(image.getchannel("A") if clear else image.convert("L"), picture.size)), "light"
