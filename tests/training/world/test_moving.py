"""Clips: they begin as their scenes, move as far and where they say, and their captions say just what moves."""

from __future__ import annotations

import math

import pytest
import torch

from easel.training.world.deck import packed
from easel.training.world.moving import INNER, KINDS, Clip, Motion, changed, draw_clip, film, times
from easel.training.world.moving_words import (
    ENGLISH_CAMERA,
    ENGLISH_NOUNS,
    ENGLISH_THINGS,
    KOREAN_CAMERA,
    KOREAN_THINGS,
    moving_caption,
)
from easel.training.world.painting import make_atlas, paint
from easel.training.world.scenes import GROUPS, PAIR_SIZE, PAIRS, Scene, Thing, generator
from easel.training.world.source import Source
from easel.training.world.subjects import Subject

FOUR = (
    Subject("🦊", ("fox",), ("여우",)),
    Subject("⚽", ("ball",), ("공",)),
    Subject("✂", ("~scissors",), ("가위",)),
    Subject("🐟", ("fish",), ("물고기",)),
)
SHIFTS = {
    "slide-left": (-1, 0), "slide-right": (1, 0), "slide-up": (0, -1), "slide-down": (0, 1),
    "pan-left": (1, 0), "pan-right": (-1, 0), "pan-up": (0, 1), "pan-down": (0, -1),
}  # fmt: skip
WORDS = {
    kind: {word for table in tables for word in table.get(kind, ())}
    for tables in [(ENGLISH_THINGS, ENGLISH_NOUNS, KOREAN_THINGS, ENGLISH_CAMERA, KOREAN_CAMERA)]
    for kind in KINDS
}
DRAWN = [draw_clip(FOUR, 5, number) for number in range(400)]


@pytest.fixture(scope="module")
def squares() -> Source:
    """A red square in the middle, a green one in the upper left corner, and both again."""
    sprites = torch.zeros(4, 4, 128, 128, dtype=torch.uint8)
    sprites[::2, [0, 3], 32:96, 32:96] = 255
    sprites[1::2, [1, 3], 8:64, 8:64] = 255
    return Source(FOUR, make_atlas(sprites), 128)


def one(motion: Motion, thing: Thing) -> Clip:
    return Clip(Scene((thing,)), motion, "")


def red(picture: torch.Tensor) -> tuple[float, float, float]:
    """Middle of what is red, across and down, and its share of the picture."""
    seen = (picture[0] > 0.5) & (picture[1] < -0.5)
    rows, columns = seen.nonzero(as_tuple=True)
    return (
        float(columns.float().mean() + 0.5) / seen.shape[1],
        float(rows.float().mean() + 0.5) / seen.shape[0],
        float(seen.float().mean()),
    )


@pytest.mark.parametrize("kind", SHIFTS)
def test_what_slides_or_is_panned_goes_as_far_as_is_said(squares: Source, kind: str) -> None:
    (clip,) = film(squares, [one(Motion(kind, 0.25), Thing(0, size=0.4))], 5)
    across, down = SHIFTS[kind]
    for picture, time in zip(clip, times(5), strict=True):
        x, y, _ = red(picture)
        assert abs(x - 0.5 - 0.25 * across * time) < 0.01 and abs(y - 0.5 - 0.25 * down * time) < 0.01


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_spins_stays_and_turns_clockwise(squares: Source, mirrored: bool) -> None:
    (clip,) = film(squares, [one(Motion("spin", math.pi), Thing(1, size=0.7, mirrored=mirrored))], 3)
    torch.testing.assert_close(clip[1], clip[0].rot90(-1, (1, 2)), atol=1e-3, rtol=0)
    torch.testing.assert_close(clip[2], clip[0].rot90(2, (1, 2)), atol=1e-3, rtol=0)
    assert (clip[1] - clip[0]).abs().max() > 1
    (half,) = film(squares, [one(Motion("spin", math.pi / 4), Thing(0, size=0.6))], 2)
    assert abs(red(half[1])[2] - red(half[0])[2]) < 0.01  # nothing is cut off or squeezed on the way


@pytest.mark.parametrize(("kind", "much"), [("grow", 1.5), ("shrink", 0.5), ("zoom-in", 1.5), ("zoom-out", 0.5)])
def test_what_grows_keeps_its_place_and_a_zoom_scales_places_too(squares: Source, kind: str, much: float) -> None:
    (clip,) = film(squares, [one(Motion(kind, much), Thing(0, size=0.4, centre=(0.4, 0.5)))], 2)
    (x, y, before), (moved_x, moved_y, after) = red(clip[0]), red(clip[1])
    assert abs(after / before - much**2) < 0.15 * much**2
    wanted = x if kind in ("grow", "shrink") else 0.5 + (x - 0.5) * much
    assert abs(moved_x - wanted) < 0.01 and abs(moved_y - y) < 0.01


def test_what_bounces_leaves_the_ground_and_comes_back() -> None:
    motion = Motion("bounce", 0.3)
    heights = [-motion.at(number / 16).down for number in range(17)]
    assert min(heights) >= 0 and max(heights) == pytest.approx(0.3)
    assert [heights[n] for n in (0, 8, 16)] == pytest.approx([0, 0, 0], abs=1e-9)
    assert all(motion.at(time).across == 0 for time in times(8))


def test_a_clip_begins_as_its_scene_bit_for_bit(squares: Source) -> None:
    assert all(clip.frame(0.0) == (clip.scene, 0.0) for clip in DRAWN)
    deck = packed([clip.scene for clip in DRAWN[:60]])
    still = paint(squares.atlas, deck, (64, 64))
    assert torch.equal(paint(squares.atlas, deck, (64, 64), torch.zeros(60)), still)
    assert not torch.equal(paint(squares.atlas, deck, (64, 64), torch.ones(60)), still)


def test_a_clip_is_a_pure_function_of_seed_and_number() -> None:
    assert all(draw_clip(FOUR, 5, number) == DRAWN[number] for number in range(20))
    assert draw_clip(FOUR, 6, 0) != DRAWN[0]


def test_nothing_is_led_out_of_the_picture_and_all_goes_somewhere() -> None:
    for clip in DRAWN:
        if clip.motion.kind in (*SHIFTS, "bounce"):
            assert clip.motion.much > 0.1
            for thing in clip.scene.things:
                for time in times(9):
                    now = changed(thing, clip.motion.at(time))
                    assert all(INNER[0] - 1e-6 <= at <= INNER[1] + 1e-6 for at in now.centre), clip


def test_scenes_of_clips_have_no_faults_and_cameras_move_before_plain_grounds() -> None:
    assert not any(clip.scene.damage or clip.scene.quality for clip in DRAWN)
    cameras = [clip.scene for clip in DRAWN if clip.motion.kind.startswith(("pan", "zoom"))]
    assert cameras and all(not scene.second and scene.colour == scene.colour_2 for scene in cameras)
    assert any(clip.scene.second for clip in DRAWN)


def said(words: str) -> set[str]:
    """The motions that a caption has words for."""
    return {kind for kind in KINDS if any(word in words for word in WORDS[kind])}


SCENES = (
    Scene((Thing(1),)),
    Scene((Thing(2, tint="red"),), background="blue", background_said=True),
    Scene((Thing(0, size=PAIR_SIZE), Thing(3, size=PAIR_SIZE, centre=PAIRS["across"][1])), pair="across"),
    Scene(tuple(Thing(3, size=GROUPS[3][0], centre=at) for at in GROUPS[3][1]), style="pixel"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_captions_say_what_moves_and_nothing_else_that_does(kind: str) -> None:
    texts = {moving_caption(scene, kind, FOUR, generator(1, number)) for scene in SCENES for number in range(40)}
    assert all(said(text) == {kind} for text in texts)
    assert all(any(word in text for text in texts) for word in WORDS[kind])
    assert any(text.isascii() for text in texts) and any(not text.isascii() for text in texts)


def test_captions_without_motion_say_none() -> None:
    assert not any(said(moving_caption(scene, "", FOUR, generator(1, n))) for scene in SCENES for n in range(40))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("bounce", "a bouncing ball"),
        ("bounce", "통통 튀는 공"),
        ("slide-left", "a ball sliding to the left"),
        ("slide-left", "왼쪽으로 미끄러지는 공"),
        ("pan-right", "a ball, the camera pans right"),
        ("pan-right", "카메라가 오른쪽으로 움직인다, 공"),
    ],
)
def test_they_are_said_as_people_say_them(kind: str, words: str) -> None:
    assert words in {moving_caption(SCENES[0], kind, FOUR, generator(2, number)) for number in range(300)}


def test_some_clips_stand_still_and_some_captions_are_silent() -> None:
    still = [clip for clip in DRAWN if not clip.motion.kind]
    silent = [clip for clip in DRAWN if clip.motion.kind and not said(clip.words)]
    assert 0.05 < len(still) / len(DRAWN) < 0.16 and 0.35 < len(silent) / len(DRAWN) < 0.55
    assert not any(said(clip.words) for clip in still)
    assert all(said(clip.words) == ({clip.motion.kind} if clip.told else set()) for clip in DRAWN)
    assert {clip.motion.kind for clip in DRAWN} == {"", *KINDS}
    some = [draw_clip(FOUR, 5, number, ("spin",), still=0.0, mute=0.0) for number in range(30)]
    assert all(clip.motion.kind == "spin" and said(clip.words) == {"spin"} for clip in some)
    assert {clip.motion.much > 0 for clip in some} == {False, True}
