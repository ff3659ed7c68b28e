"""Clips: scenes whose things, or whose camera, move while time goes from 0 to 1; pure functions of (seed, number).

At time 0 a clip is its scene. Things slide, bounce, spin, grow and shrink; a camera pans and zooms, which moves all
there is the other way. Knows neither models nor how many frames a model sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from easel.training.world.deck import packed
from easel.training.world.moving_words import moving_caption
from easel.training.world.painting import paint
from easel.training.world.scenes import Scene, Thing, draw_scene, generator, pick
from easel.training.world.source import Source
from easel.training.world.subjects import Subject

STREAM = 3  # of the generator, apart from those which draw and move scenes that stand still
STILL = 0.1  # share of clips in which nothing moves
MUTE = 0.5  # share of those that move whose captions do not say so: to the base model "camera" and "left" mean more
INNER = (0.1, 0.9)  # where the centres of things stay, in fractions of the picture
BOUNCES = 2  # in the time from 0 to 1


@dataclass(frozen=True, slots=True)
class Change:
    """What a motion has made of a scene: a shift in fractions of the picture, a scale, a turn clockwise in radians.

    spread: 1 where the places of things are scaled about the picture's middle as their sizes are, else 0.
    """

    across: float = 0.0
    down: float = 0.0
    scale: float = 1.0
    angle: float = 0.0
    spread: float = 0.0

    @property
    def heading(self) -> tuple[float, float, float]:
        """How far everything has gone to the right and down, and the logarithm of how much larger it is."""
        return self.across, self.down, math.log(self.scale)


Path = Callable[[float, float], Change]  # of how much in the end, and of time


def towards(across: int, down: int) -> Path:
    """Evenly that way."""
    return lambda much, time: Change(across * much * time, down * much * time)


def scaled(spread: float) -> Path:
    """Evenly up to the scale `much`."""
    return lambda much, time: Change(scale=1 + (much - 1) * time, spread=spread)


def bouncing(much: float, time: float) -> Change:
    """Up by `much` and back to the ground, BOUNCES times."""
    return Change(down=-much * abs(math.sin(math.pi * BOUNCES * time)))


def spinning(much: float, time: float) -> Change:
    """Evenly round, by `much` in the end."""
    return Change(angle=much * time)


PATHS: dict[str, Path] = {
    "slide-left": towards(-1, 0),
    "slide-right": towards(1, 0),
    "slide-up": towards(0, -1),
    "slide-down": towards(0, 1),
    "bounce": bouncing,
    "spin": spinning,
    "grow": scaled(0.0),
    "shrink": scaled(0.0),
    "pan-left": towards(1, 0),
    "pan-right": towards(-1, 0),
    "pan-up": towards(0, 1),
    "pan-down": towards(0, -1),
    "zoom-in": scaled(1.0),
    "zoom-out": scaled(1.0),
}
KINDS = tuple(PATHS)
FAR, LARGER, SMALLER = (0.2, 0.35), (1.3, 1.6), (0.5, 0.75)  # least and most, in fractions of the picture or as scales
SCALES = {"grow": LARGER, "zoom-in": LARGER, "shrink": SMALLER, "zoom-out": SMALLER}
TURN = (math.pi / 2, math.pi)  # either way round


@dataclass(frozen=True, slots=True)
class Motion:
    """What moves, a name of KINDS or "" for nothing, and how much until time 1."""

    kind: str = ""
    much: float = 0.0

    def at(self, time: float) -> Change:
        """What it has made of a scene at a time in 0..1."""
        return PATHS[self.kind](self.much, time) if self.kind else Change()


@dataclass(frozen=True, slots=True)
class Clip:
    """A scene, what moves in it, its caption, and whether that tells of the motion."""

    scene: Scene
    motion: Motion
    words: str
    told: bool = False

    def frame(self, time: float) -> tuple[Scene, float]:
        """The scene as it is at a time in 0..1, and the angle by which its things are turned."""
        change = self.motion.at(time)
        return replace(self.scene, things=tuple(changed(thing, change) for thing in self.scene.things)), change.angle


def changed(thing: Thing, change: Change) -> Thing:
    """The thing at its new place, in its new size."""
    x, y = (at + (at - 0.5) * (change.scale - 1) * change.spread for at in thing.centre)
    return replace(thing, size=thing.size * change.scale, centre=(x + change.across, y + change.down))


def room(scene: Scene, way: Change) -> float:
    """How far all things can go in the direction of a shift before the centre of one leaves INNER."""
    found = [
        (INNER[1] - at) if step > 0 else (at - INNER[0])
        for thing in scene.things
        for at, step in zip(thing.centre, (way.across, way.down), strict=True)
        if step
    ]
    return max(0.0, min(found))


def draw_motion(rng: np.random.Generator, scene: Scene, kind: str) -> Motion:
    """A motion of one kind, as much of it as chance wants and the scene has room for."""
    if kind in SCALES:
        return Motion(kind, float(rng.uniform(*SCALES[kind])))
    if kind == "spin":
        return Motion(kind, float(rng.uniform(*TURN)) * pick(rng, (-1, 1)))
    highest = PATHS[kind](1.0, 0.5 / BOUNCES)
    return Motion(kind, min(float(rng.uniform(*FAR)), room(scene, highest)))


def draw_clip(
    subjects: Sequence[Subject],
    seed: int,
    number: int,
    kinds: Sequence[str] = KINDS,
    still: float = STILL,
    mute: float = MUTE,
) -> Clip:
    """Clip number `number` of the stream `seed`, with a motion of one of `kinds`.

    still: share in which nothing moves. mute: share of the others whose captions say nothing of motion. A scene of a
    clip has no faults, whose grain would have to move by itself, and before a camera that moves a plain ground.
    """
    rng = generator(seed, number, STREAM)
    scene = replace(draw_scene(rng, len(subjects)), damage="", quality="")
    kind = "" if rng.random() < still else pick(rng, kinds)
    if kind.startswith(("pan", "zoom")):
        scene = replace(scene, second="", colour_2=scene.colour)
    motion = draw_motion(rng, scene, kind) if kind else Motion()
    told = bool(kind) and bool(rng.random() >= mute)
    return Clip(scene, motion, moving_caption(scene, kind if told else "", subjects, rng), told)


def times(frames: int) -> list[float]:
    """The times of so many frames, two or more: from 0 to 1, evenly."""
    return [number / (frames - 1) for number in range(frames)]


def film(source: Source, clips: Sequence[Clip], frames: int) -> torch.Tensor:
    """Pictures (clips, frames, 3, side, side) float32 in -1..1."""
    shown = [clip.frame(time) for clip in clips for time in times(frames)]
    angle = torch.tensor([turn for _, turn in shown], device=source.device)
    deck = packed([scene for scene, _ in shown]).to(source.device)
    return paint(source.atlas, deck, (source.side, source.side), angle).unflatten(0, (len(clips), frames))
