"""How far two pictures are apart, pixel by pixel. Knows pixels, not what made them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image, ImageChops


@dataclass(frozen=True, slots=True)
class Difference:
    """pixels: of one picture. differing: how many of them differ at all. greatest: 0..255, in any channel.

    psnr: peak signal-to-noise ratio in dB, infinite for equal pictures.
    """

    pixels: int
    differing: int
    greatest: int
    psnr: float


def difference(a: Image.Image, b: Image.Image) -> Difference | None:
    """Return how far two pictures of 8 bits are apart, None where their sizes differ; transparency counts."""
    if a.size != b.size:
        return None
    mode = "RGBA" if "A" in a.mode or "A" in b.mode else "RGB"
    channels = tuple(
        ImageChops.difference(one, other)
        for one, other in zip(a.convert(mode).split(), b.convert(mode).split(), strict=True)
    )
    most = channels[0]
    for channel in channels[1:]:
        most = ImageChops.lighter(most, channel)
    pixels = a.width * a.height
    counts = [channel.histogram() for channel in channels]
    squares = sum(count * level * level for histogram in counts for level, count in enumerate(histogram))
    psnr = 10 * math.log10(255**2 * pixels * len(channels) / squares) if squares else math.inf
    return Difference(pixels, pixels - most.histogram()[0], int(most.getextrema()[1]), psnr)  # type: ignore[arg-type]
