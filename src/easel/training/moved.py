"""Scenes whose subjects stand elsewhere than their words say: what a hint must tell, and a caption does not.

The starter puts "a fox" in the middle, facing its usual way. Here it is of any size, anywhere, half the time mirrored,
and its caption says none of that. Knows neither pixels nor hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from easel.training.captions import caption
from easel.training.scenes import Scene, Sprite, draw_scene, generator
from easel.training.subjects import Subject

SINGLE = (0.45, 0.95)  # least and greatest size of one subject, in fractions of the picture's side
PAIRED = (0.36, 0.54)  # of each of two
STREAM = 2  # of the generator, apart from that which draws the scene


def draw_moved(subjects: Sequence[Subject], seed: int, index: int) -> tuple[Scene, str]:
    """Scene number `index` of the stream `seed` with its subjects moved, and a caption that says no size or place."""
    rng = generator(seed, index, STREAM)
    scene = moved(draw_scene(rng, len(subjects)), rng)
    return scene, caption(scene, subjects, rng)


def moved(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with each subject of another size, at another place within the picture, perhaps mirrored."""
    if len(scene.sprites) == 1:
        sprites = (somewhere(scene.sprites[0], SINGLE, (0.0, 1.0), rng),)
    else:
        left, right = scene.sprites
        sprites = (somewhere(left, PAIRED, (0.0, 0.55), rng), somewhere(right, PAIRED, (0.45, 1.0), rng))
    return replace(scene, sprites=sprites, size_word="", place="")


def somewhere(
    sprite: Sprite, sizes: tuple[float, float], across: tuple[float, float], rng: np.random.Generator
) -> Sprite:
    """The sprite with its size drawn from `sizes`, its centre where it fits between `across` and in the height."""
    size = float(rng.uniform(*sizes))
    x = float(rng.uniform(across[0] + size / 2, across[1] - size / 2))
    y = float(rng.uniform(size / 2, 1 - size / 2))
    return replace(sprite, size=size, centre=(x, y), mirrored=bool(rng.random() < 0.5))
