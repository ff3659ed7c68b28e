"""What can be drawn: the glyphs of the emoji font that are things, each with its names in English and Korean.

The names of subjects.txt come first where it has the glyph, CLDR's name otherwise. Signs, flags, clock faces and
what differs from another by skin or hair alone are left out.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from easel.training.subjects import VARIATION, Subject, annotations_path, find, load_subjects, own_keywords

NO_THINGS = frozenset(("Flags", "Symbols", "Component"))  # groups
SIGNS = frozenset(("time", "family", "person-symbol", "zodiac", "other-symbol"))  # subgroups
JOINER = "200D"
SKINS = frozenset(("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"))
PLURAL = ("s", "fries", "dice", "mice", "hair", "rice", "bread", "bacon", "butter", "salt", "ice", "money", "sushi")


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


def world_subjects() -> tuple[Subject, ...]:
    """All subjects, those of subjects.txt first, led by its `+`; raises DataMissing naming a Debian package."""
    known = sorted(load_subjects(), key=lambda subject: not subject.drawn)
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
    return tuple(replace(subject, drawn=True) for subject in (*known, *added))
