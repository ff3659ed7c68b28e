"""Pixels between torch and Pillow; the only file of media/ that imports torch.

It does not know latents, models or files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from easel.core.errors import BadValue, ModelError


def to_images(pixels: Tensor) -> list[Image.Image]:
    """Return (n, 3, height, width) numbers in 0..1 as n RGB images; values outside are clipped.

    Each value goes to the nearest of 256 levels. A1111 cuts downward instead, which darkens by half a level on average
    and can lose one each time a picture is read and written; rounding differs from it by one level at most and
    gives back exactly the picture that to_pixels() read. Raises ModelError when a value is not a number.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        raise BadValue("shape of pixels", tuple(pixels.shape), "(n, 3, height, width)")
    values = pixels.detach().to("cpu", torch.float32)
    if bool(torch.isnan(values).any()):
        raise ModelError(
            "the model's picture holds values that are not numbers; set precision to float32 and try again."
        )
    levels = values.clamp(0, 1).mul(255).round().to(torch.uint8)
    return [Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()) for image in levels]


def to_pixels(images: Sequence[Image.Image]) -> Tensor:
    """Return n images of one size as (n, 3, height, width) float32 in 0..1; alpha is dropped. Raises BadValue."""
    sizes = sorted({image.size for image in images})
    if len(sizes) != 1:
        raise BadValue("image sizes", sizes, "one size for all images, at least one image")
    levels = numpy.stack([numpy.asarray(image.convert("RGB")) for image in images])
    return torch.as_tensor(levels).permute(0, 3, 1, 2).to(torch.float32).div(255).contiguous()


def to_levels(masks: Sequence[Image.Image]) -> Tensor:
    """Return n masks of mode L and one size as (n, 1, height, width) float32 in 0..1."""
    return to_planes([(numpy.asarray(mask) / 255).astype(numpy.float32) for mask in masks])


def to_planes(values: Sequence[NDArray[numpy.float32]]) -> Tensor:
    """Return n planes of numbers, (height, width), as (n, 1, height, width) float32."""
    return torch.as_tensor(numpy.stack(values))[:, None]


def to_masks(planes: Tensor) -> list[Image.Image]:
    """Return (n, 1, height, width) numbers as n masks of mode L; values outside 0..1 are clipped."""
    levels = planes.detach().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return [Image.fromarray(plane.numpy()) for plane in levels[:, 0]]
