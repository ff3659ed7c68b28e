"""Scenes are pure functions of their seed and whole; styles and numbers are said as they should."""

from __future__ import annotations

import pytest

from easel.training.world.captions import ENGLISH_STYLES, KOREAN_STYLES, english, korean, plural
from easel.training.world.scenes import DAMAGES, OWN_GROUND, STYLES, Scene, Thing, draw_scene, generator, scene_at
from easel.training.world.subjects import Subject

SUBJECTS = (
    Subject("🦊", ("fox",), ("여우",)),
    Subject("🎃", ("pumpkin",), ("호박",)),
    Subject("✂", ("~scissors",), ("가위",)),
    Subject("🐟", ("fish",), ("물고기",)),
)
SCENES = [scene_at(3, index, len(SUBJECTS)) for index in range(600)]


def test_a_scene_belongs_to_its_seed_and_number() -> None:
    assert scene_at(3, 17, 4) == scene_at(3, 17, 4)
    assert scene_at(3, 17, 4) != scene_at(4, 17, 4)


def test_every_style_fault_count_and_pair_comes_up() -> None:
    assert {scene.style for scene in SCENES} == set(STYLES)
    assert {scene.damage for scene in SCENES} == set(DAMAGES)
    assert {scene.count for scene in SCENES} == {1, 2, 3, 4}
    assert {scene.pair for scene in SCENES} == {"", "across", "upright"}


def test_scenes_are_whole() -> None:
    for scene in SCENES:
        assert len(scene.things) == (2 if scene.pair else scene.count)
        if scene.pair:
            first, second = scene.things
            axis = 0 if scene.pair == "across" else 1
            assert first.centre[axis] < second.centre[axis]
            assert first.subject != second.subject
        else:
            assert len({(thing.subject, thing.tint) for thing in scene.things}) == 1
        assert not (scene.background_said and scene.style in OWN_GROUND)
        assert bool(scene.damage) == (scene.quality == "bad")
        assert scene.second or scene.colour == scene.colour_2


@pytest.mark.parametrize("style", STYLES[1:])
def test_styles_are_said_in_both_languages(style: str) -> None:
    scene = Scene((Thing(0),), style=style)
    said = {english(scene, SUBJECTS, generator(1, n)) for n in range(20)}
    assert said == {form.format("a fox", bare="fox") for form in ENGLISH_STYLES[style]}
    spoken = {korean(scene, SUBJECTS, generator(1, n)) for n in range(20)}
    assert spoken == {form.format("여우") for form in KOREAN_STYLES[style]}


@pytest.mark.parametrize(
    ("one", "several"),
    [("fox", "foxes"), ("cherry", "cherries"), ("toy", "toys"), ("bus", "buses"), ("piece of cake", "pieces of cake"),
     ("face with mask", "faces with mask"), ("peach", "peaches")],
)  # fmt: skip
def test_several_of_one_kind_have_a_plural(one: str, several: str) -> None:
    assert plural(one) == several


def test_weights_choose_among_subjects() -> None:
    drawn = [draw_scene(generator(5, n), 4, (0.5, 0.5, 0.0, 0.0)) for n in range(50)]
    assert {thing.subject for scene in drawn for thing in scene.things} == {0, 1}
