"""Scenes: what a composition shows, drawn at random as a pure function of (seed, index).

A scene is a value; captions.py says it in words and painting.py paints it. Knows neither words nor pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

# name -> sRGB in 0..1; the background colours, in the order of their numbers
BACKGROUNDS: dict[str, tuple[float, float, float]] = {
    "white": (0.98, 0.98, 0.98),
    "black": (0.05, 0.05, 0.06),
    "red": (0.86, 0.16, 0.16),
    "orange": (0.98, 0.58, 0.14),
    "yellow": (0.99, 0.87, 0.25),
    "green": (0.24, 0.68, 0.32),
    "blue": (0.20, 0.45, 0.90),
    "purple": (0.55, 0.28, 0.76),
    "pink": (0.98, 0.66, 0.80),
    "gray": (0.58, 0.59, 0.61),
    "brown": (0.50, 0.32, 0.19),
}
TINTS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.12, 0.12),
    "orange": (0.98, 0.52, 0.08),
    "yellow": (0.98, 0.82, 0.12),
    "green": (0.18, 0.66, 0.26),
    "blue": (0.14, 0.42, 0.92),
    "purple": (0.55, 0.24, 0.80),
    "pink": (0.98, 0.50, 0.72),
    "gray": (0.55, 0.55, 0.57),
}

# Styles that arithmetic makes, in the order of their numbers; "" is none.
STYLES = (
    "", "pixel", "pencil", "lineart", "silhouette", "watercolour", "oil", "sepia", "night", "neon", "embossed",
    "mosaic", "poster",
)  # fmt: skip
OWN_GROUND = frozenset(("pencil", "lineart", "sepia", "night", "neon", "embossed"))  # styles with backgrounds their own
HIDES_TINT = OWN_GROUND | {"silhouette"}  # styles in which a tint cannot be seen
DAMAGES = ("", "blurry", "jpeg", "noisy", "small")  # of bad pictures, in the order of their numbers
DIRECTIONS = ("down", "across", "aslant")
SIZES = {"small": 0.44, "": 0.76, "big": 0.96}
PLACES = {"": (0.0, 0.0), "left": (-0.23, 0.0), "right": (0.23, 0.0), "top": (0.0, -0.23), "bottom": (0.0, 0.23)}
MOST = 4  # things in a scene
# Where two to four things of one kind stand, and their size.
GROUPS: dict[int, tuple[float, tuple[tuple[float, float], ...]]] = {
    2: (0.47, ((0.26, 0.5), (0.74, 0.5))),
    3: (0.42, ((0.5, 0.27), (0.26, 0.72), (0.74, 0.72))),
    4: (0.42, ((0.26, 0.27), (0.74, 0.27), (0.26, 0.73), (0.74, 0.73))),
}
PAIRS = {"across": ((0.26, 0.5), (0.74, 0.5)), "upright": ((0.5, 0.26), (0.5, 0.74))}
PAIR_SIZE = 0.47
Colour = tuple[float, float, float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Thing:
    """One subject in a scene; centre and size in fractions of the picture's shorter side."""

    subject: int
    tint: str = ""
    mirrored: bool = False
    size: float = SIZES[""]
    centre: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a picture shows and all that its caption may say; an empty word means not said.

    things: one; two that differ, the left or upper first; or two to four of one kind. pair: how two that differ stand,
    a key of PAIRS. background, second: names of the colours, second "" for a plain one; direction: of a gradient.
    damage: how the picture is spoilt; quality: "good", "bad" or "" as the caption says it.
    """

    things: tuple[Thing, ...]
    pair: str = ""
    background: str = "white"
    second: str = ""
    direction: str = "down"
    colour: Colour = BACKGROUNDS["white"]
    colour_2: Colour = BACKGROUNDS["white"]
    background_said: bool = False
    size_word: str = ""
    place: str = ""
    style: str = ""
    damage: str = ""
    quality: str = ""

    @property
    def count(self) -> int:
        """How many of one kind there are."""
        return 1 if self.pair else len(self.things)


def generator(seed: int, *indices: int) -> np.random.Generator:
    """The random numbers that belong to (seed, indices) and to nothing else."""
    return np.random.default_rng((seed, *indices))


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One item, all equally likely."""
    return items[int(rng.integers(len(items)))]


def near(name: str, rng: np.random.Generator) -> Colour:
    """A background as painted: a little beside the named colour, white least."""
    colour, spread = BACKGROUNDS[name], 0.01 if name == "white" else 0.03
    shifted = np.clip(np.array(colour) + rng.uniform(-spread, spread, 3), 0, 1)
    return float(shifted[0]), float(shifted[1]), float(shifted[2])


def drawn_thing(
    rng: np.random.Generator, subject: int, size: float, centre: tuple[float, float], tint: str, jitter: float = 0.015
) -> Thing:
    """A thing with chance's share in its size, place and side."""
    dx, dy = rng.uniform(-jitter, jitter, 2)
    mirrored = bool(rng.random() < 0.15)
    return Thing(subject, tint, mirrored, float(size * rng.uniform(0.95, 1.02)), (centre[0] + dx, centre[1] + dy))


def draw_scene(rng: np.random.Generator, subjects: int, weights: Sequence[float] | None = None) -> Scene:
    """A scene at random: 58 % one thing, 32 % two that differ, 10 % two to four of one kind; a style on a third.

    weights: how often each subject is chosen, in sum 1; all alike where None.
    """
    style = pick(rng, STYLES[1:]) if rng.random() < 0.33 else ""
    said = bool(rng.random() < 0.5) and style not in OWN_GROUND
    names = tuple(name for name in BACKGROUNDS if not (style == "silhouette" and name == "black"))
    background = pick(rng, names) if said else "white"
    second = pick(rng, tuple(n for n in names if n != background)) if said and rng.random() < 0.15 else ""
    bad = rng.random() < 0.07
    colour = near(background, rng)
    common = {
        "background": background,
        "second": second,
        "direction": pick(rng, DIRECTIONS),
        "colour": colour,
        "colour_2": near(second, rng) if second else colour,
        "background_said": said,
        "style": style,
        "damage": pick(rng, DAMAGES[1:]) if bad else "",
        "quality": ("bad" if bad else "good") if bad or rng.random() < 0.12 else "",
    }

    def tint() -> str:
        return pick(rng, tuple(TINTS)) if rng.random() < 0.2 and style not in HIDES_TINT else ""

    kind = rng.random()
    chosen = rng.choice(subjects, 2, replace=False, p=weights)
    first, other = int(chosen[0]), int(chosen[1])
    if kind < 0.32:
        pair = "across" if rng.random() < 0.7 else "upright"
        places = PAIRS[pair]
        pairs = ((first, places[0]), (other, places[1]))
        return Scene(tuple(drawn_thing(rng, n, PAIR_SIZE, at, tint()) for n, at in pairs), pair, **common)
    if kind < 0.42:
        size, places = GROUPS[int(rng.integers(2, MOST + 1))]
        shared = tint()
        return Scene(tuple(drawn_thing(rng, first, size, at, shared) for at in places), **common)
    size_word = pick(rng, ("small", "big")) if rng.random() < 0.2 else ""
    place = pick(rng, ("left", "right", "top", "bottom")) if size_word != "big" and rng.random() < 0.12 else ""
    dx, dy = PLACES[place]
    size = SIZES["small"] if place else SIZES[size_word]
    thing = drawn_thing(rng, first, size, (0.5 + dx, 0.5 + dy), tint())
    return Scene((thing,), size_word=size_word, place=place, **common)


def scene_at(seed: int, index: int, subjects: int, weights: Sequence[float] | None = None) -> Scene:
    """Scene number `index` of the stream `seed`."""
    return draw_scene(generator(seed, index), subjects, weights)
