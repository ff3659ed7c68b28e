"""Labelled grids: pictures in rows and columns with what varies written beside them.

Draws on Pillow; knows neither requests nor files.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from easel.core.errors import BadValue

GAP = 4  # pixels between cells
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (120, 120, 120)
LARGEST = 16_384 * 16_384  # pixels of a sheet
LONGEST = 400  # letters of a label
# Fonts with Latin and Korean letters, the first that is there; Pillow's own has only Latin.
FONTS = (
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansKR-Regular.ttf",
    "/System/Library/Fonts/AppleSDGothicNeo.ttc",
    "C:/Windows/Fonts/malgun.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the best font for labels at `size` pixels."""
    for path in FONTS:
        if Path(path).is_file():
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def labelled(
    images: Sequence[Image.Image],
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    title: str = "",
    gap: int = GAP,
) -> Image.Image:
    """Return images, row by row, on white with a label over each column and before each row.

    Cells are as large as the largest image, smaller ones stand centred; labels wrap, between words where
    these are no wider than a cell. Empty labels take no room.
    gap: pixels between cells.
    Raises BadValue when the images do not fill the grid or the sheet would be too large.
    """
    if not images or len(images) != len(columns) * len(rows):
        raise BadValue("images of a grid", len(images), f"{len(columns)} x {len(rows)}")
    width, height = max(image.width for image in images), max(image.height for image in images)
    size = max(11, min(28, width // 9))
    heads = [wrapped(label, size, width) for label in columns]
    words = (word for label in rows for word in label[:LONGEST].split())
    beside = max(width // 2, 60, min(width, max((text_width(word, size) for word in words), default=0)))
    sides = [wrapped(label, size, beside) for label in rows]
    top = lines_height(heads, size) + (lines_height([wrapped(title, size, 10**6)], size) if title else 0)
    left = max((text_width(line, size) for lines in sides for line in lines), default=0)
    left += 3 * GAP if left else 0
    total = left + len(columns) * (width + gap) - gap, top + len(rows) * (height + gap) - gap
    if total[0] * total[1] > LARGEST:
        raise BadValue("grid", f"{total[0]}x{total[1]} pixels", f"at most {LARGEST} pixels", remedy="use fewer cells")
    sheet = Image.new("RGB", total, PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((left, GAP // 2), title, font=font(size), fill=FAINT)
    foot = top - GAP
    for column, lines in enumerate(heads):
        write(
            draw, lines, left + column * (width + gap) + width // 2, foot - line_height(size) * len(lines), size, "ma"
        )
    for row, lines in enumerate(sides):
        middle = top + row * (height + gap) + (height - line_height(size) * len(lines)) // 2
        write(draw, lines, left - 2 * GAP, middle, size, "ra")
    for place, image in enumerate(images):
        row, column = divmod(place, len(columns))
        corner = (
            left + column * (width + gap) + (width - image.width) // 2,
            top + row * (height + gap) + (height - image.height) // 2,
        )
        sheet.paste(image, corner)
    return sheet


def write(draw: ImageDraw.ImageDraw, lines: Sequence[str], x: int, y: int, size: int, anchor: str) -> None:
    """Write lines below one another from (x, y)."""
    for place, line in enumerate(lines):
        draw.text((x, y + place * line_height(size)), line, font=font(size), fill=INK, anchor=anchor)


def line_height(size: int) -> int:
    """Return the pixels from line to line."""
    return round(size * 1.35)


def lines_height(texts: Sequence[Sequence[str]], size: int) -> int:
    """Return the pixels that the longest of some labels takes, with a gap; 0 where all are empty."""
    most = max((len(lines) for lines in texts), default=0)
    return most * line_height(size) + GAP if most else 0


def text_width(text: str, size: int) -> int:
    """Return the width of a line in pixels."""
    return round(font(size).getlength(text))


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Return a label in lines of at most `width` pixels, cut between words where that is possible."""
    lines: list[str] = []
    line = ""
    for word in text[:LONGEST].split():
        longer = f"{line} {word}".strip()
        if line and text_width(longer, size) > width:
            lines.append(line)
            longer = word
        while text_width(longer, size) > width and len(longer) > 1:
            cut = next(n for n in range(len(longer) - 1, 0, -1) if n == 1 or text_width(longer[:n], size) <= width)
            lines.append(longer[:cut])
            longer = longer[cut:]
        line = longer
    return [*lines, line] if line else lines
