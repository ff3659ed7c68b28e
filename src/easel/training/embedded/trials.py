"""The prompts of the examination, fixed by their seed: what each asks for, in words and as a scene.

Half English, half Korean. Of ten prompts four ask for one subject, three for two, three for a style. Knows
no pixels and no judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from easel.training.world.captions import english, korean
from easel.training.world.scenes import (
    BACKGROUNDS,
    OWN_GROUND,
    PAIR_SIZE,
    PAIRS,
    SIZES,
    STYLES,
    Scene,
    Thing,
    generator,
    pick,
)
from easel.training.world.subjects import Subject

EXAM_SEED = 4243
KINDS = ("one", "two", "style", "one", "two", "style", "one", "two", "style", "one")


@dataclass(frozen=True)
class Trial:
    """One prompt and what it asks for. kind: "one", "two" or "style"; language: "en" or "ko"."""

    prompt: str
    scene: Scene
    kind: str
    language: str


def trial(number: int, subjects: Sequence[Subject], order: Sequence[int]) -> Trial:
    """Trial `number`; subjects come in the order of `order`, again from its beginning where it ends."""
    rng = generator(EXAM_SEED, number)
    kind = KINDS[number // 2 % len(KINDS)]
    style = pick(rng, STYLES[1:]) if kind == "style" else ""
    said = bool(rng.random() < 0.5) and style not in OWN_GROUND
    names = tuple(name for name in BACKGROUNDS if not (style == "silhouette" and name == "black"))
    ground = pick(rng, names) if said else "white"
    first = int(order[number % len(order)])
    things: tuple[Thing, ...] = (Thing(first, size=SIZES[""]),)
    if kind == "two":
        other = int(order[(number + 1 + int(rng.integers(len(order) - 1))) % len(order)])
        things = tuple(
            Thing(n, size=PAIR_SIZE, centre=at) for n, at in zip((first, other), PAIRS["across"], strict=True)
        )
    colour = BACKGROUNDS[ground]
    pair = "across" if kind == "two" else ""
    scene = Scene(things, pair, ground, colour=colour, colour_2=colour, background_said=said, style=style)
    language = "en" if number % 2 == 0 else "ko"
    return Trial((english if language == "en" else korean)(scene, subjects, rng), scene, kind, language)


def make_trials(subjects: Sequence[Subject], count: int) -> list[Trial]:
    """`count` trials over all subjects that are practised."""
    order = generator(EXAM_SEED).permutation(len(subjects)).tolist()
    return [trial(number, subjects, order) for number in range(count)]
