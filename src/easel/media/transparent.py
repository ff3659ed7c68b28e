"""What becomes of transparency where a picture can have none. Knows pictures in memory alone."""

from __future__ import annotations

from PIL import Image

WHITE = (255, 255, 255)


def flat(image: Image.Image) -> Image.Image:
    """Return an RGB or RGBA picture as RGB, what is transparent on white, as A1111 lays it."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, (*WHITE, 255))
    return Image.alpha_composite(ground, image).convert("RGB")
