"""Captions say exactly what is drawn, in both languages: every fact of the scene is in the words, and no other."""

from __future__ import annotations

import re

import pytest

from easel.training.world.captions import (
    ENGLISH_BAD,
    ENGLISH_COLOURS,
    ENGLISH_COUNTS,
    ENGLISH_GOOD,
    ENGLISH_PLACES,
    ENGLISH_SIZES,
    ENGLISH_STYLES,
    KOREAN_BAD,
    KOREAN_COLOURS,
    KOREAN_COUNTS,
    KOREAN_GOOD,
    KOREAN_PLACES,
    KOREAN_SIZES,
    KOREAN_STYLES,
    caption,
    ends_in_consonant,
    english,
    korean,
    plural,
    with_article,
)
from easel.training.world.scenes import HIDES_TINT, OWN_GROUND, Scene, Thing, generator, scene_at
from easel.training.world.subjects import Subject

FOUR = (
    Subject("🦊", ("fox",), ("여우",)),
    Subject("🎃", ("pumpkin",), ("호박",)),
    Subject("✂", ("~scissors",), ("가위",)),
    Subject("🐟", ("fish",), ("물고기",)),
)
SCENES = [scene_at(3, index, len(FOUR)) for index in range(500)]
SAY = {"en": english, "ko": korean}
COLOURS = {"en": ENGLISH_COLOURS, "ko": KOREAN_COLOURS}
SIZES = {"en": ENGLISH_SIZES, "ko": KOREAN_SIZES}
PLACES = {"en": ENGLISH_PLACES, "ko": KOREAN_PLACES}
COUNTS = {"en": ENGLISH_COUNTS, "ko": KOREAN_COUNTS}
STYLES = {"en": ENGLISH_STYLES, "ko": KOREAN_STYLES}
BAD = {"en": ENGLISH_BAD, "ko": KOREAN_BAD}
GOOD = {"en": ENGLISH_GOOD, "ko": KOREAN_GOOD}


def names(subject: Subject, language: str) -> tuple[str, ...]:
    own = subject.english + subject.english_extra if language == "en" else subject.korean + subject.korean_extra
    bare = tuple(name.lstrip("~") for name in own)
    return bare + tuple(plural(name) for name in bare) if language == "en" else bare


def has(text: str, form: str) -> bool:
    """Whether a text holds all that a form has besides its gaps."""
    return all(piece.strip() in text for piece in re.split(r"\{.*?\}", form))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_words_hold_every_fact_of_the_scene(every_subject: tuple[Subject, ...], language: str) -> None:
    colours, some = COLOURS[language], every_subject[:300]
    for index in range(400):
        scene = scene_at(4, index, len(some))
        text = SAY[language](scene, some, generator(5, index))
        for thing in scene.things:
            assert any(name in text for name in names(some[thing.subject], language)), text
            assert not thing.tint or any(word in text for word in colours[thing.tint]), text
        for ground in (scene.background, scene.second) if scene.background_said else ():
            assert not ground or any(word in text for word in colours[ground]), text
        assert not scene.size_word or any(word in text for word in SIZES[language][scene.size_word]), text
        assert not scene.place or PLACES[language][scene.place] in text, text
        assert scene.count == 1 or any(word in text for word in COUNTS[language][scene.count]), text
        assert not scene.style or any(has(text, form) for form in STYLES[language][scene.style]), text
        assert scene.quality != "bad" or any(word in text for word in BAD[language][scene.damage]), text
        assert scene.quality != "good" or any(word in text for word in GOOD[language]), text


def test_what_is_not_said_is_at_its_usual_value() -> None:
    for index, scene in enumerate(SCENES):
        text = english(scene, FOUR, generator(6, index))
        if not scene.background_said:
            assert scene.background == "white" and "background" not in text and " on white" not in text
        if scene.style in OWN_GROUND:
            assert not scene.background_said
        if scene.style in HIDES_TINT:
            assert not any(thing.tint for thing in scene.things)
        if not scene.style:
            assert not re.search("pixel|pencil|silhouette|watercolo|sepia|night|oil|neon|mosaic|emboss", text), text


def test_left_and_right_and_above_and_below_are_as_drawn() -> None:
    swapped = 0
    for index, scene in enumerate(SCENES):
        if not scene.pair:
            continue
        text = english(scene, FOUR, generator(7, index))
        first, second = (text.find(FOUR[thing.subject].english[0].lstrip("~")) for thing in scene.things)
        if re.search("right of|below|under", text):
            first, second, swapped = second, first, swapped + 1
        assert 0 <= first < second, text
    assert swapped > 20


def test_articles_and_particles() -> None:
    assert with_article("apple", "apple") == "an apple"
    assert with_article("unicorn", "unicorn") == "a unicorn"
    assert with_article("apple", "red apple") == "a red apple"
    assert with_article("~grapes", "grapes") == "grapes"
    assert ends_in_consonant("귤") and not ends_in_consonant("사과")
    said = {korean(Scene((Thing(n), Thing(0)), "across"), FOUR, generator(8, k)) for n in (1, 3) for k in range(60)}
    assert any("호박과 여우" in text for text in said) and any("물고기와 여우" in text for text in said)
    assert not any("호박와" in text or "물고기과" in text for text in said)


def test_both_languages_come_up_and_the_same_seed_says_the_same() -> None:
    def captions() -> list[str]:
        return [caption(Scene((Thing(0),)), FOUR, generator(9, n)) for n in range(200)]

    texts = captions()
    share = sum(any("가" <= letter <= "힣" for letter in text) for text in texts) / len(texts)
    assert 0.3 < share < 0.5
    assert texts == captions()
