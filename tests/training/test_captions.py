"""Captions say exactly what is drawn: every fact of the scene is in the words, and no other."""

from __future__ import annotations

import re

import pytest

from easel.training.captions import (
    ENGLISH_COLOURS,
    ENGLISH_PLACES,
    ENGLISH_SIZES,
    KOREAN_COLOURS,
    KOREAN_PLACES,
    KOREAN_SIZES,
    caption,
    ends_in_consonant,
    english,
    korean,
    with_article,
)
from easel.training.scenes import PAINTS_ALL, Scene, draw_scene, generator
from easel.training.subjects import Subject

STYLE_WORDS = {
    "en": {"pixel": "pixel art", "pencil": "pencil", "silhouette": "silhouette", "watercolour": "watercolo",
           "sepia": "sepia", "night": "night"},
    "ko": {"pixel": "픽셀 아트", "pencil": "연필", "silhouette": "실루엣", "watercolour": "수채화", "sepia": "세피아",
           "night": "밤"},
}  # fmt: skip


def names(subject: Subject, language: str) -> tuple[str, ...]:
    own = subject.english + subject.english_extra if language == "en" else subject.korean + subject.korean_extra
    return tuple(name.lstrip("~") for name in own)


def place_of(text: str, subject: Subject, language: str) -> int:
    """Where the subject is named, or -1."""
    found = [text.find(name) for name in sorted(names(subject, language), key=len, reverse=True) if name in text]
    return found[0] if found else -1


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_words_hold_every_fact_of_the_scene(all_subjects: tuple[Subject, ...], language: str) -> None:
    say = english if language == "en" else korean
    colours = ENGLISH_COLOURS if language == "en" else KOREAN_COLOURS
    sizes, places = (ENGLISH_SIZES, ENGLISH_PLACES) if language == "en" else (KOREAN_SIZES, KOREAN_PLACES)
    for index in range(400):
        rng = generator(3, index)
        scene = draw_scene(rng, len(all_subjects))
        text = say(scene, all_subjects, rng)
        for sprite in scene.sprites:
            assert place_of(text, all_subjects[sprite.subject], language) >= 0, text
            if sprite.tint:
                assert any(word in text for word in colours[sprite.tint]), text
        if scene.background_said:
            assert any(word in text for word in colours[scene.background]), text
        if scene.size_word:
            assert any(word in text for word in sizes[scene.size_word]), text
        if scene.place:
            assert places[scene.place] in text
        for style, word in STYLE_WORDS[language].items():
            if style == scene.style:
                assert word in text, text


def test_what_is_not_said_is_at_its_usual_value(all_subjects: tuple[Subject, ...]) -> None:
    for index in range(400):
        rng = generator(4, index)
        scene = draw_scene(rng, len(all_subjects))
        text = english(scene, all_subjects, rng)
        if not scene.background_said:
            assert scene.background == "white" and "background" not in text
        if scene.style in PAINTS_ALL:
            assert not scene.background_said and not any(sprite.tint for sprite in scene.sprites)
        if not scene.style:
            assert not re.search("pixel art|pencil (sketch|drawing)|silhouette|watercolo|sepia|night", text), text


def test_left_and_right_are_as_drawn(all_subjects: tuple[Subject, ...]) -> None:
    seen = 0
    for index in range(600):
        rng = generator(5, index)
        scene = draw_scene(rng, len(all_subjects))
        if len(scene.sprites) != 2:
            continue
        left, right = (all_subjects[sprite.subject] for sprite in scene.sprites)
        assert scene.sprites[0].centre[0] < scene.sprites[1].centre[0]
        text = english(scene, all_subjects, rng)
        first, second = (place_of(text, subject, "en") for subject in (left, right))
        if "right of" in text:
            first, second, seen = second, first, seen + 1
        if not {*names(left, "en")}.intersection(names(right, "en")) and first != second:
            overlap = any(a in b or b in a for a in names(left, "en") for b in names(right, "en"))
            assert overlap or first < second, text
    assert seen > 5


def test_articles_and_particles() -> None:
    assert with_article("apple", "apple") == "an apple"
    assert with_article("unicorn", "unicorn") == "a unicorn"
    assert with_article("apple", "red apple") == "a red apple"
    assert with_article("~grapes", "grapes") == "grapes"
    assert ends_in_consonant("귤") and not ends_in_consonant("사과")


def test_both_languages_come_up_and_the_same_seed_says_the_same(all_subjects: tuple[Subject, ...]) -> None:
    def captions() -> list[str]:
        scene = Scene(draw_scene(generator(1), 6).sprites)
        return [caption(scene, all_subjects, generator(9, n)) for n in range(200)]

    texts = captions()
    share = sum(any("가" <= letter <= "힣" for letter in text) for text in texts) / len(texts)
    assert 0.3 < share < 0.5
    assert texts == captions()
