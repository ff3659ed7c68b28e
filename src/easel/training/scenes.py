"""Scenes: what a composition shows, drawn at random as a pure function of (seed, index).

A scene is a value; captions.py says it in words and data.py paints it.  Knows neither words nor pixels.
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
STYLES = ("pixel", "pencil", "silhouette", "watercolour", "sepia", "night")
PAINTS_ALL = ("pencil", "sepia", "night")  # styles that decide the background themselves
HIDES_TINT = ("pencil", "silhouette", "sepia", "night")  # styles in which a tint cannot be seen
SIZES = {"small": 0.46, "": 0.78, "big": 0.98}
PLACES = {"": (0.0, 0.0), "left": (-0.22, 0.0), "right": (0.22, 0.0), "top": (0.0, -0.22), "bottom": (0.0, 0.22)}
PAIR_SIZE = 0.47
T = TypeVar("T")


@dataclass(frozen=True)
class Sprite:
    """One subject in a scene; centre and size in fractions of the picture's side."""

    subject: int
    tint: str = ""
    mirrored: bool = False
    size: float = 0.78
    centre: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Scene:
    """All that a picture shows and all that its caption may say; an empty word means not said."""

    sprites: tuple[Sprite, ...]  # one, or two with the left one first
    background: str = "white"
    colour: tuple[float, float, float] = BACKGROUNDS["white"]  # the background as painted
    background_said: bool = False
    size_word: str = ""
    place: str = ""
    style: str = ""


def generator(seed: int, *indices: int) -> np.random.Generator:
    """The random numbers that belong to (seed, indices) and to nothing else."""
    return np.random.default_rng((seed, *indices))


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One item, all equally likely."""
    return items[int(rng.integers(len(items)))]


def paint_of(name: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """A background colour with a slight variation."""
    reach = 0.01 if name in ("white", "black") else 0.025
    shift = rng.uniform(-reach, reach, 3)
    red, green, blue = (float(np.clip(c + d, 0, 1)) for c, d in zip(BACKGROUNDS[name], shift, strict=True))
    return red, green, blue


def one_sprite(rng: np.random.Generator, subject: int, size: float, centre: tuple[float, float], style: str) -> Sprite:
    """A sprite with its tint, mirroring and a little jitter."""
    tint = pick(rng, tuple(TINTS)) if rng.random() < 0.18 and style not in HIDES_TINT else ""
    jitter = rng.uniform(-0.015, 0.015, 2)
    return Sprite(
        subject,
        tint,
        bool(rng.random() < 0.15),
        float(size * rng.uniform(0.96, 1.02)),
        (float(centre[0] + jitter[0]), float(centre[1] + jitter[1])),
    )


def draw_scene(rng: np.random.Generator, subjects: int) -> Scene:
    """A scene at random: 70 % one subject, 30 % two; styles on a fifth of them."""
    style = pick(rng, STYLES) if rng.random() < 0.2 else ""
    said = bool(rng.random() < 0.5) and style not in PAINTS_ALL
    names = tuple(name for name in BACKGROUNDS if not (style == "silhouette" and name == "black"))
    background = pick(rng, names) if said else "white"
    colour = paint_of(background, rng)
    if rng.random() < 0.3:
        left, right = (int(n) for n in rng.choice(subjects, 2, replace=False))
        pair = (
            one_sprite(rng, left, PAIR_SIZE, (0.25, 0.5), style),
            one_sprite(rng, right, PAIR_SIZE, (0.75, 0.5), style),
        )
        return Scene(pair, background, colour, said, style=style)
    size_word = pick(rng, ("small", "big")) if rng.random() < 0.2 else ""
    place = pick(rng, ("left", "right", "top", "bottom")) if size_word != "big" and rng.random() < 0.12 else ""
    size = SIZES["small"] if place else SIZES[size_word]
    dx, dy = PLACES[place]
    sprite = one_sprite(rng, int(rng.integers(subjects)), size, (0.5 + dx, 0.5 + dy), style)
    return Scene((sprite,), background, colour, said, size_word, place, style)
