"""Subjects: what the starter can draw, their names in two languages, and their sprites.

Reads Debian's Noto Color Emoji font and Unicode data where they lie; knows nothing of scenes, captions or models.
"""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

FONT = "truetype/noto/NotoColorEmoji.ttf"
FONT_SIZE = 109  # the only bitmap size in the font
SPRITE = 128  # pixels of a sprite's square
MARGIN = 4  # clear pixels on each side of a sprite, so that bilinear sampling never meets a hard edge
VARIATION = "\ufe0f"


class DataMissing(RuntimeError):
    """A file of the training data is not on this machine; the message names the Debian package that brings it."""


@dataclass(frozen=True)
class Subject:
    """One thing that can be drawn: its glyph and its names, the usual name first."""

    glyph: str
    english: tuple[str, ...]
    korean: tuple[str, ...]
    english_extra: tuple[str, ...] = ()  # CLDR keywords that mean this glyph and no other
    korean_extra: tuple[str, ...] = ()
    drawn: bool = False  # whether the base model learns to draw it


def find(relative: str, package: str, roots: Sequence[Path]) -> Path:
    """The first root that holds `relative`; raises DataMissing naming the Debian package otherwise."""
    for root in roots:
        if (root / relative).is_file():
            return root / relative
    looked = ", ".join(str(root) for root in roots)
    raise DataMissing(f"{relative} was not found under {looked}; on Debian or Ubuntu: apt-get install {package}")


def font_path(roots: Sequence[Path] = (Path("/usr/share/fonts"),)) -> Path:
    """The colour emoji font."""
    return find(FONT, "fonts-noto-color-emoji", roots)


def annotations_path(language: str, roots: Sequence[Path] = (Path("/usr/share/unicode/cldr/common"),)) -> Path:
    """CLDR's names and keywords of one language."""
    return find(f"annotations/{language}.xml", "unicode-cldr-core", roots)


def keywords(language: str) -> dict[str, tuple[str, ...]]:
    """Glyph (without variation selector) to its CLDR keywords."""
    table: dict[str, tuple[str, ...]] = {}
    for node in ElementTree.parse(annotations_path(language)).iter("annotation"):
        if node.get("type") is None and node.text:
            words = tuple(word.strip().lower() for word in node.text.split("|"))
            table[node.attrib["cp"].replace(VARIATION, "")] = words
    return table


def own_keywords(language: str) -> dict[str, tuple[str, ...]]:
    """Glyph to the CLDR keywords that belong to this glyph alone, hence name it without doubt."""
    table = keywords(language)
    count = Counter(word for words in table.values() for word in set(words))
    return {glyph: tuple(word for word in words if count[word] == 1) for glyph, words in table.items()}


def parse(text: str) -> list[Subject]:
    """Subjects of a list in the form of subjects.txt; `~` marks names that take no article, `+` what is drawn."""
    subjects = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        glyph, english, korean = line.split(";")
        names = tuple(english.split("|")), tuple(korean.split("|"))
        subjects.append(Subject(glyph.lstrip("+"), *names, drawn=glyph.startswith("+")))
    return subjects


@functools.cache
def load_subjects() -> tuple[Subject, ...]:
    """All subjects of subjects.txt with their unambiguous CLDR synonyms."""
    text = resources.files("easel.training").joinpath("subjects.txt").read_text(encoding="utf-8")
    subjects = parse(text)
    taken = {name.lstrip("~") for subject in subjects for name in subject.english + subject.korean}
    english, korean = own_keywords("en"), own_keywords("ko")

    def extra(table: dict[str, tuple[str, ...]], subject: Subject) -> tuple[str, ...]:
        return tuple(word for word in table.get(subject.glyph.replace(VARIATION, ""), ()) if word not in taken)

    return tuple(replace(s, english_extra=extra(english, s), korean_extra=extra(korean, s)) for s in subjects)


def render(glyph: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One glyph as an RGBA picture of SPRITE pixels, cropped to what is drawn, centred, its longer side filling."""
    canvas = Image.new("RGBA", (192, 192))
    ImageDraw.Draw(canvas).text((20, 20), glyph, font=font, embedded_color=True)
    box = canvas.getchannel("A").getbbox()
    if box is None:
        raise ValueError(f"the font draws nothing for {glyph!r}")
    crop = canvas.crop(box)
    scale = (SPRITE - 2 * MARGIN) / max(crop.size)
    size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    crop = crop.resize(size, Image.Resampling.LANCZOS)
    sprite = Image.new("RGBA", (SPRITE, SPRITE))
    sprite.paste(crop, ((SPRITE - size[0]) // 2, (SPRITE - size[1]) // 2))
    return sprite


def make_atlas(subjects: Sequence[Subject]) -> torch.Tensor:
    """The sprites of all subjects, (N, 4, 128, 128) float32 in 0..1, colours premultiplied by alpha."""
    font = ImageFont.truetype(str(font_path()), FONT_SIZE)
    arrays = [np.asarray(render(subject.glyph, font), dtype=np.float32) / 255 for subject in subjects]
    atlas = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    atlas[:, :3] *= atlas[:, 3:]
    return atlas
