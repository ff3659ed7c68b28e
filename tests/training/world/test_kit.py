"""The world's subjects and the kit in which they travel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import CLIPTokenizer

from easel.training.networks.tokenizer import tokenize
from easel.training.world.deck import Order, draw_deck
from easel.training.world.kit import make_kit, read_kit, write_kit
from easel.training.world.subjects import Subject, english_name, load_subjects, things

LISTED = """
# group: Animals & Nature
# subgroup: animal-mammal
1F98A                                      ; fully-qualified     # 🦊 E3.0 fox
1F43F                                      ; unqualified         # 🐿 E0.7 chipmunk
1F415 200D 1F9BA                           ; fully-qualified     # 🐕‍🦺 E12.0 service dog
# group: People & Body
# subgroup: hand-fingers-open
1F44B 1F3FB                                ; fully-qualified     # 👋🏻 E1.0 waving hand
# group: Flags
# subgroup: country-flag
1F1F0 1F1F7                                ; fully-qualified     # 🇰🇷 E0.6 flag: South Korea
"""


def test_only_things_are_subjects() -> None:
    assert list(things(LISTED)) == ["🦊"]


def test_about_a_thousand_subjects_each_with_names_of_its_own(every_subject: tuple[Subject, ...]) -> None:
    subjects = every_subject
    assert len(subjects) > 1000
    known = load_subjects()
    assert subjects[: len(known)] == known
    for names in ([s.english[0].lstrip("~") for s in subjects], [s.korean[0] for s in subjects]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("said", "name"),
    [("Scissors", "~scissors"), ("bus", "bus"), ("grinning face with big eyes", "grinning face with big eyes")],
)
def test_what_takes_no_article_is_marked(said: str, name: str) -> None:
    assert english_name(said) == name


def test_a_kit_is_read_as_it_was_written(every_subject: tuple[Subject, ...], tmp_path: Path) -> None:
    kit = make_kit(every_subject[:20])
    write_kit(kit, tmp_path)
    again = read_kit(tmp_path)
    assert again.subjects == kit.subjects
    assert torch.equal(again.atlas, kit.atlas)
    assert (kit.atlas[:, :3] <= kit.atlas[:, 3:]).all()


def test_a_missing_kit_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"easel\.training\.world\.kit"):
        read_kit(tmp_path)


def test_a_deck_is_the_same_however_it_is_drawn(every_subject: tuple[Subject, ...], tokenizer: CLIPTokenizer) -> None:
    order = Order(7, 2, every_subject[:6], Path(tokenizer.name_or_path))
    whole, part = draw_deck(order, 12), draw_deck(order, 5)
    assert torch.equal(whole.tokens[:5], part.tokens) and torch.equal(whole.box[:5], part.box)
    assert whole.tokens.shape == (12, 2, 77)
    assert len(whole.rows(torch.tensor([3, 4]))) == 2
    assert torch.equal(tokenize(tokenizer, ["여우"], whole=True)[0, :1], whole.tokens[0, 0, :1].long())
