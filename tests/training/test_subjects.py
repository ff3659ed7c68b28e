"""The subjects' list, their names, and the errors when Debian's data is missing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from easel.training.subjects import DataMissing, Subject, annotations_path, font_path, make_atlas, parse


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


def test_sprites_are_premultiplied_centred_and_drawn(levels: list[torch.Tensor]) -> None:
    atlas = levels[0]
    assert atlas.shape[1:] == (4, 128, 128)
    assert float(atlas.min()) >= 0 and float(atlas.max()) <= 1
    assert bool((atlas[:, :3] <= atlas[:, 3:] + 1e-6).all())
    assert bool((atlas[:, 3].mean((1, 2)) > 0.05).all())
    assert float(atlas[:, :, :3].abs().max()) == 0


def test_missing_files_name_the_debian_package(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="apt-get install fonts-noto-color-emoji"):
        font_path([tmp_path])
    with pytest.raises(DataMissing, match="apt-get install unicode-cldr-core"):
        annotations_path("ko", [tmp_path])


def test_a_glyph_the_font_cannot_draw_is_named(all_subjects: tuple[Subject, ...]) -> None:
    with pytest.raises(ValueError, match="draws nothing"):
        make_atlas([Subject(" ", ("space",), ("빈칸",))])


def test_the_list_reads_comments_and_articles() -> None:
    (subject,) = parse("# heading\n🍇;~grapes|grape;포도\n")
    assert subject == Subject("🍇", ("~grapes", "grape"), ("포도",))
