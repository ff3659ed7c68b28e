"""Scenes whose subjects stand elsewhere than their words say: what a hint must tell, and a caption does not.

The model puts "a fox" in the middle, facing its usual way. Here it is of any size, anywhere, half the time mirrored,
and its caption says none of that. Knows neither pixels nor hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from easel.training.world.captions import caption
from easel.training.world.scenes import Scene, Thing, draw_scene, generator
from easel.training.world.subjects import Subject

Span = tuple[float, float]
WHOLE: Span = (0.0, 1.0)
HALVES: tuple[Span, Span] = ((0.0, 0.55), (0.45, 1.0))
SINGLE: Span = (0.45, 0.95)  # least and greatest size of one subject, in fractions of the picture's side
PAIRED: Span = (0.36, 0.54)  # of each of two that differ
MANY: Span = (0.3, 0.45)  # of each of several of a kind
STREAM = 2  # of the generator, apart from that which draws the scene


def draw_moved(subjects: Sequence[Subject], seed: int, index: int) -> tuple[Scene, str]:
    """Scene number `index` of the stream `seed` with its subjects moved, and a caption that says no size or place."""
    rng = generator(seed, index, STREAM)
    scene = moved(draw_scene(rng, len(subjects)), rng)
    return scene, caption(scene, subjects, rng)


def moved(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with each subject of another size, at another place within the picture, perhaps mirrored.

    Two that differ stay in their halves; several of a kind each within a part of the picture about their old place.
    """
    if scene.pair:
        upright = scene.pair == "upright"
        spans = [(WHOLE, half) if upright else (half, WHOLE) for half in HALVES]
        things = [somewhere(t, PAIRED, *span, rng) for t, span in zip(scene.things, spans, strict=True)]
    elif scene.count > 1:
        things = [somewhere(t, MANY, *(about(c) for c in t.centre), rng) for t in scene.things]
    else:
        things = [somewhere(scene.things[0], SINGLE, WHOLE, WHOLE, rng)]
    return replace(scene, things=tuple(things), size_word="", place="")


def about(middle: float) -> Span:
    """The half of the picture round a place, as far as the picture goes."""
    first = min(max(middle - 0.25, 0.0), 0.5)
    return first, first + 0.5


def somewhere(thing: Thing, sizes: Span, across: Span, down: Span, rng: np.random.Generator) -> Thing:
    """The thing with its size drawn from `sizes`, its centre where it fits within `across` and `down`."""
    size = float(rng.uniform(*sizes))
    x, y = (float(rng.uniform(first + size / 2, last - size / 2)) for first, last in (across, down))
    return replace(thing, size=size, centre=(x, y), mirrored=bool(rng.random() < 0.5))
