"""The subjects' list, their names, their glyphs, and the errors when Debian's data is missing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import ImageFont

from easel.training.world.subjects import (
    FONT_SIZE,
    SPRITE,
    DataMissing,
    Subject,
    annotations_path,
    font_path,
    glyphs_path,
    parse,
    render,
)


def test_every_subject_has_names_in_both_languages_and_no_name_is_shared(all_subjects: tuple[Subject, ...]) -> None:
    assert len(all_subjects) > 200
    for names in (
        [n.lstrip("~") for s in all_subjects for n in s.english],
        [n for s in all_subjects for n in s.korean],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []
    assert all(name == name.lower() for s in all_subjects for name in s.english)
    assert all("가" <= name[0] <= "힣" for s in all_subjects for name in s.korean)


def test_cldr_synonyms_never_name_another_subject(all_subjects: tuple[Subject, ...]) -> None:
    names = {n.lstrip("~") for s in all_subjects for n in s.english + s.korean}
    assert not names.intersection(word for s in all_subjects for word in s.english_extra + s.korean_extra)


def test_missing_files_name_the_debian_package(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="apt-get install fonts-noto-color-emoji"):
        font_path([tmp_path])
    with pytest.raises(DataMissing, match="apt-get install unicode-cldr-core"):
        annotations_path("ko", [tmp_path])
    with pytest.raises(DataMissing, match="apt-get install unicode-data"):
        glyphs_path([tmp_path])


def test_glyphs_are_cropped_and_centred_and_what_the_font_cannot_draw_is_named(
    all_subjects: tuple[Subject, ...],
) -> None:
    font = ImageFont.truetype(str(font_path()), FONT_SIZE)
    for subject in all_subjects[:6]:
        sprite = render(subject.glyph, font)
        box = sprite.getchannel("A").getbbox()
        assert sprite.size == (SPRITE, SPRITE) and box is not None
        left, top, right, bottom = box
        assert abs(left + right - SPRITE) <= 3 and abs(top + bottom - SPRITE) <= 3
        assert SPRITE - 12 <= max(right - left, bottom - top) <= SPRITE - 6
    with pytest.raises(ValueError, match="draws nothing"):
        render(" ", font)


def test_the_list_reads_comments_and_articles() -> None:
    (subject,) = parse("# heading\n🍇;~grapes|grape;포도\n")
    assert subject == Subject("🍇", ("~grapes", "grape"), ("포도",))
