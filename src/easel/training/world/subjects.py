"""What can be drawn: the glyphs of the emoji font that are things, their names in English and Korean, their sprites.

The names of subjects.txt come first where it has the glyph, CLDR's name otherwise. Signs, flags, clock faces and
what differs from another by skin or hair alone are left out. Reads Debian's Noto Color Emoji font and Unicode data
where they lie; knows nothing of scenes, captions or models.
"""

from __future__ import annotations

import functools
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = "truetype/noto/NotoColorEmoji.ttf"
FONT_SIZE = 109  # the only bitmap size in the font
SPRITE = 128  # pixels of a sprite's square
MARGIN = 4  # clear pixels on each side of a sprite, so that bilinear sampling never meets a hard edge
VARIATION = "\ufe0f"
NO_THINGS = frozenset(("Flags", "Symbols", "Component"))  # groups
SIGNS = frozenset(("time", "family", "person-symbol", "zodiac", "other-symbol"))  # subgroups
JOINER = "200D"
SKINS = frozenset(("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"))
PLURAL = ("s", "fries", "dice", "mice", "hair", "rice", "bread", "bacon", "butter", "salt", "ice", "money", "sushi")


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
    """Subjects of a list in the form of subjects.txt; `~` marks names that take no article."""
    subjects = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        glyph, english, korean = line.split(";")
        subjects.append(Subject(glyph, tuple(english.split("|")), tuple(korean.split("|"))))
    return subjects


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


def glyphs_path(roots: Sequence[Path] = (Path("/usr/share/unicode"),)) -> Path:
    """Unicode's list of emoji by group."""
    return find("emoji/emoji-test.txt", "unicode-data", roots)


def things(text: str) -> Iterator[str]:
    """Yield the glyphs of emoji-test.txt that show things."""
    group = subgroup = ""
    for line in text.splitlines():
        if line.startswith("# group:"):
            group = line.partition(":")[2].strip()
        elif line.startswith("# subgroup:"):
            subgroup = line.partition(":")[2].strip()
        elif "; fully-qualified" in line:
            codes = line.partition(";")[0].split()
            if group in NO_THINGS or subgroup in SIGNS or JOINER in codes or SKINS.intersection(codes):
                continue
            yield "".join(chr(int(code, 16)) for code in codes)


def spoken_names(language: str) -> dict[str, str]:
    """Glyph (without variation selector) to CLDR's name of it in one language."""
    nodes = ElementTree.parse(annotations_path(language)).iter("annotation")
    return {n.attrib["cp"].replace(VARIATION, ""): n.text or "" for n in nodes if n.get("type") == "tts"}


def english_name(name: str) -> str:
    """A CLDR name as captions use it: in small letters, `~` before what takes no article."""
    plain = name.lower().replace("’", "'").replace(":", "")
    head = re.split(" with | of | and ", plain)[0]
    return f"~{plain}" if head.endswith(PLURAL) and not head.endswith(("ss", "us")) else plain


@functools.cache
def load_subjects() -> tuple[Subject, ...]:
    """All subjects of subjects.txt with their unambiguous CLDR synonyms."""
    text = resources.files("easel.training.world").joinpath("subjects.txt").read_text(encoding="utf-8")
    subjects = parse(text)
    taken = {name.lstrip("~") for subject in subjects for name in subject.english + subject.korean}
    english, korean = own_keywords("en"), own_keywords("ko")

    def extra(table: dict[str, tuple[str, ...]], subject: Subject) -> tuple[str, ...]:
        return tuple(word for word in table.get(subject.glyph.replace(VARIATION, ""), ()) if word not in taken)

    return tuple(replace(s, english_extra=extra(english, s), korean_extra=extra(korean, s)) for s in subjects)


def world_subjects() -> tuple[Subject, ...]:
    """All subjects, those of subjects.txt first, in its order; raises DataMissing naming a Debian package."""
    known = load_subjects()
    have = {subject.glyph.replace(VARIATION, "") for subject in known}
    taken = {name.lstrip("~") for subject in known for name in (*subject.english, *subject.korean)}
    english, korean = spoken_names("en"), spoken_names("ko")
    more: list[Subject] = []
    for glyph in things(glyphs_path().read_text(encoding="utf-8")):
        bare = glyph.replace(VARIATION, "")
        if bare in have or not english.get(bare) or not korean.get(bare):
            continue
        names = english_name(english[bare]), korean[bare].lower()
        if not taken.intersection((names[0].lstrip("~"), names[1])):
            more.append(Subject(glyph, (names[0],), (names[1],)))
            taken.update((names[0].lstrip("~"), names[1]))
            have.add(bare)
    own = {language: own_keywords(language) for language in ("en", "ko")}
    used = Counter(word for words in own.values() for some in words.values() for word in some)

    def extra(language: str, subject: Subject) -> tuple[str, ...]:
        words = own[language].get(subject.glyph.replace(VARIATION, ""), ())
        return tuple(word for word in words if word not in taken and used[word] == 1)

    added = (replace(s, english_extra=extra("en", s), korean_extra=extra("ko", s)) for s in more)
    return (*known, *added)
