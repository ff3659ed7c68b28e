"""Faces that a cascade takes for faces, painted: a head with hair, eyes in dark sockets, brows, a nose and a mouth."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFilter

SKIN, HAIR, BEHIND = (225, 185, 160), (70, 45, 30), (120, 130, 140)
EYES, NOSE, MOUTH = ((0.36, 0.445), (0.64, 0.445)), (0.5, 0.64), ((0.37, 0.785), (0.63, 0.785))  # in the picture's side
HEAD = (0.06, 0.11, 0.95, 0.99)  # about what the cascade calls a face

Point = tuple[float, float]


def face(side: int = 200, behind: tuple[int, int, int] = BEHIND) -> Image.Image:
    """Return a face that fills a square of `side` pixels, a little blurred."""
    image = Image.new("RGB", (side, side), behind)
    draw = ImageDraw.Draw(image)

    def at(*values: float) -> tuple[float, ...]:
        return tuple(value * side for value in values)

    draw.ellipse(at(0.1, -0.05, 0.9, 0.75), HAIR)
    draw.ellipse(at(0.16, 0.05, 0.84, 0.98), SKIN)
    draw.pieslice(at(0.12, -0.05, 0.88, 0.6), 190, 350, HAIR)
    for x, y in EYES:
        draw.ellipse(at(x - 0.11, y - 0.065, x + 0.11, y + 0.055), (150, 105, 85))
        draw.ellipse(at(x - 0.07, y - 0.035, x + 0.07, y + 0.035), (245, 240, 235))
        draw.ellipse(at(x - 0.035, y - 0.035, x + 0.035, y + 0.035), (40, 25, 20))
        draw.line(at(x - 0.1, y - 0.07, x + 0.1, y - 0.07), HAIR, round(side * 0.025))
    draw.polygon(at(0.5, 0.45, 0.44, 0.66, 0.56, 0.66), (205, 160, 135))
    draw.ellipse(at(0.43, 0.63, 0.57, 0.69), (165, 115, 95))
    draw.ellipse(at(0.36, 0.74, 0.64, 0.83), (165, 70, 70))
    draw.line(at(0.37, 0.785, 0.63, 0.785), (90, 35, 35), max(1, round(side * 0.015)))
    return image.filter(ImageFilter.GaussianBlur(side / 100))


def scene(size: tuple[int, int], *faces: tuple[int, int, int]) -> Image.Image:
    """Return a picture of `size` with faces: left and upper edge and side of each in pixels."""
    image = Image.new("RGB", size, BEHIND)
    for left, top, side in faces:
        image.paste(face(side), (left, top))
    return image


def sticker(size: tuple[int, int] = (256, 256)) -> Image.Image:
    """Return shapes in plain colours with white rims on a background in two colours, as the starter draws them."""
    image = Image.new("RGB", size, (250, 214, 120))
    draw = ImageDraw.Draw(image)
    for row in range(0, size[1], 32):
        draw.rectangle((0, row, size[0], row + 15), (244, 178, 98))
    for edge, colour in ((8, (255, 255, 255)), (0, (206, 52, 60))):
        draw.ellipse((60 - edge, 80 - edge, 170 + edge, 190 + edge), colour)
        draw.rectangle((112 - edge, 40 - edge, 122 + edge, 90), colour if edge else (90, 60, 30))
        draw.polygon(((190 - edge, 220 + edge), (240 + edge, 220 + edge), (215, 120 - 2 * edge)), colour)
    return image
