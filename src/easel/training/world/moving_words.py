"""What moves, in English or Korean words, beside all else that a scene's caption says.

Knows motions by their names; knows neither their paths nor pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from easel.training.world.captions import english, korean
from easel.training.world.scenes import Scene, pick
from easel.training.world.subjects import Subject

# What things do, said after the caption or before it ...
ENGLISH_THINGS: dict[str, tuple[str, ...]] = {
    "slide-left": ("sliding to the left", "sliding left", "moving left"),
    "slide-right": ("sliding to the right", "sliding right", "moving right"),
    "slide-up": ("sliding up", "moving up"),
    "slide-down": ("sliding down", "moving down"),
    "bounce": ("bouncing", "bouncing up and down", "hopping"),
    "spin": ("spinning", "rotating", "turning round"),
    "grow": ("growing", "getting bigger"),
    "shrink": ("shrinking", "getting smaller"),
}
# ... or before the noun.
ENGLISH_NOUNS: dict[str, tuple[str, ...]] = {
    "bounce": ("bouncing", "hopping"),
    "spin": ("spinning", "rotating"),
    "grow": ("growing",),
    "shrink": ("shrinking",),
}
KOREAN_THINGS: dict[str, tuple[str, ...]] = {
    "slide-left": ("왼쪽으로 미끄러지는", "왼쪽으로 움직이는", "왼쪽으로 가는"),
    "slide-right": ("오른쪽으로 미끄러지는", "오른쪽으로 움직이는", "오른쪽으로 가는"),
    "slide-up": ("위로 올라가는", "위로 움직이는"),
    "slide-down": ("아래로 내려가는", "아래로 움직이는"),
    "bounce": ("통통 튀는", "튀어 오르는"),
    "spin": ("빙글빙글 도는", "회전하는"),
    "grow": ("커지는", "점점 커지는"),
    "shrink": ("작아지는", "점점 작아지는"),
}
ENGLISH_CAMERA: dict[str, tuple[str, ...]] = {
    "pan-left": ("the camera pans left", "camera pans to the left", "panning left"),
    "pan-right": ("the camera pans right", "camera pans to the right", "panning right"),
    "pan-up": ("the camera pans up", "the camera tilts up", "panning up"),
    "pan-down": ("the camera pans down", "the camera tilts down", "panning down"),
    "zoom-in": ("the camera zooms in", "zooming in", "zoom in"),
    "zoom-out": ("the camera zooms out", "zooming out", "zoom out"),
}
KOREAN_CAMERA: dict[str, tuple[str, ...]] = {
    "pan-left": ("카메라가 왼쪽으로 움직인다", "왼쪽으로 카메라 이동"),
    "pan-right": ("카메라가 오른쪽으로 움직인다", "오른쪽으로 카메라 이동"),
    "pan-up": ("카메라가 위로 움직인다", "위로 카메라 이동"),
    "pan-down": ("카메라가 아래로 움직인다", "아래로 카메라 이동"),
    "zoom-in": ("카메라가 가까워진다", "줌인"),
    "zoom-out": ("카메라가 멀어진다", "줌아웃"),
}
AROUND = ("{0}, {1}", "{1}, {0}")  # where the words for motion stand beside the caption


def named(word: str, scene: Scene, subjects: Sequence[Subject]) -> tuple[Scene, tuple[Subject, ...]]:
    """The scene and its own subjects with a word before each of their names, in the language of the word."""

    def told(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"~{word} {name[1:]}" if name.startswith("~") else f"{word} {name}" for name in names)

    own = (subjects[thing.subject] for thing in scene.things)
    moving = tuple(
        Subject(s.glyph, told(s.english), told(s.korean), told(s.english_extra), told(s.korean_extra)) for s in own
    )
    things = tuple(replace(thing, subject=number) for number, thing in enumerate(scene.things))
    return replace(scene, things=things), moving


def english_motion(scene: Scene, kind: str, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in English with what moves: "a bouncing ball", "a fox sliding to the left"."""
    if kind in ENGLISH_NOUNS and rng.random() < 0.5:
        return english(*named(pick(rng, ENGLISH_NOUNS[kind]), scene, subjects), rng)
    text = english(scene, subjects, rng)
    if kind in ENGLISH_CAMERA:
        return pick(rng, AROUND).format(text, pick(rng, ENGLISH_CAMERA[kind]))
    return pick(rng, ("{0} {1}", *AROUND)).format(text, pick(rng, ENGLISH_THINGS[kind]))


def korean_motion(scene: Scene, kind: str, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in Korean with what moves: "통통 튀는 공", "왼쪽으로 미끄러지는 여우"."""
    if kind in KOREAN_CAMERA:
        return pick(rng, AROUND).format(korean(scene, subjects, rng), pick(rng, KOREAN_CAMERA[kind]))
    word = pick(rng, KOREAN_THINGS[kind])
    if rng.random() < 0.7:
        return korean(*named(word, scene, subjects), rng)
    return f"{word} {korean(scene, subjects, rng)}"


def moving_caption(scene: Scene, kind: str, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene and what moves in English (60 %) or Korean (40 %); `kind` is a motion's name, "" says none."""
    in_english = bool(rng.random() < 0.6)
    if not kind:
        return (english if in_english else korean)(scene, subjects, rng)
    return (english_motion if in_english else korean_motion)(scene, kind, subjects, rng)
