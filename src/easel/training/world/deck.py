"""Many scenes as tensors, so that whole batches are painted and read without a loop in Python.

Scenes and captions are drawn once, by several processes where there are cores; a row is a pure function of
(seed, index). Knows scenes and words; knows no pixels and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import torch

from easel.training.networks.tokenizer import CONTEXT, load_tokenizer, tokenize
from easel.training.world.captions import caption
from easel.training.world.scenes import DAMAGES, DIRECTIONS, MOST, STYLES, TINTS, Scene, draw_scene, generator
from easel.training.world.subjects import Subject

TINT_NAMES = ("", *TINTS)
CHUNK = 4096
NOTHING = -1  # in place of a subject


@dataclass(frozen=True)
class Deck:
    """N scenes. Things are in slots of which the first are filled.

    subject (N, 4) int16, NOTHING where a slot is empty; tint (N, 4) uint8; box (N, 4, 4) float32: centre x and y, size,
    1 or -1 for mirrored; ground (N, 2, 3) float32: colours of the background; direction, style, damage (N,) uint8:
    their numbers; tokens (N, K, 77) int16: K captions of each.
    """

    subject: torch.Tensor
    tint: torch.Tensor
    box: torch.Tensor
    ground: torch.Tensor
    direction: torch.Tensor
    style: torch.Tensor
    damage: torch.Tensor
    tokens: torch.Tensor

    def __len__(self) -> int:
        return len(self.subject)

    @property
    def plain(self) -> torch.Tensor:
        """(N,) bool: which scenes show one thing as it is, in no style, whatever stands behind it."""
        alone = (self.subject[:, 1] == NOTHING) & (self.tint[:, 0] == 0)
        return alone & (self.style == 0) & (self.damage == 0)

    def rows(self, index: torch.Tensor) -> Deck:
        """The scenes numbered by `index`."""
        return Deck(**{field.name: getattr(self, field.name)[index] for field in fields(Deck)})

    def to(self, device: str | torch.device) -> Deck:
        """The same on a device."""
        return Deck(**{field.name: getattr(self, field.name).to(device) for field in fields(Deck)})


def packed(scenes: Sequence[Scene], tokens: torch.Tensor | None = None) -> Deck:
    """Scenes as a deck; tokens (N, K, 77), none where left out."""
    count = len(scenes)
    subject = torch.full((count, MOST), NOTHING, dtype=torch.int16)
    tint = torch.zeros(count, MOST, dtype=torch.uint8)
    box = torch.zeros(count, MOST, 4)
    for row, scene in enumerate(scenes):
        for slot, thing in enumerate(scene.things):
            subject[row, slot] = thing.subject
            tint[row, slot] = TINT_NAMES.index(thing.tint)
            box[row, slot] = torch.tensor((*thing.centre, thing.size, -1.0 if thing.mirrored else 1.0))
    return Deck(
        subject,
        tint,
        box,
        torch.tensor([[scene.colour, scene.colour_2] for scene in scenes]).reshape(count, 2, 3),
        torch.tensor([DIRECTIONS.index(scene.direction) for scene in scenes], dtype=torch.uint8),
        torch.tensor([STYLES.index(scene.style) for scene in scenes], dtype=torch.uint8),
        torch.tensor([DAMAGES.index(scene.damage) for scene in scenes], dtype=torch.uint8),
        torch.zeros(count, 0, CONTEXT, dtype=torch.int16) if tokens is None else tokens,
    )


@dataclass(frozen=True)
class Order:
    """What a chunk of a deck is drawn from. tokenizer: its folder. weights: how often each subject is chosen."""

    seed: int
    captions: int
    subjects: tuple[Subject, ...]
    tokenizer: Path
    weights: tuple[float, ...] | None = None


def drawn_chunk(order: Order, part: range) -> Deck:
    """The scenes of a stream numbered by `part`, each said `captions` times."""
    tokenizer = load_tokenizer(order.tokenizer)
    scenes: list[Scene] = []
    texts: list[str] = []
    for index in part:
        rng = generator(order.seed, index)
        scene = draw_scene(rng, len(order.subjects), order.weights)
        scenes.append(scene)
        texts += [caption(scene, order.subjects, rng) for _ in range(order.captions)]
    tokens = tokenize(tokenizer, texts, whole=True).to(torch.int16)
    return packed(scenes, tokens.reshape(len(scenes), order.captions, CONTEXT))


def draw_deck(order: Order, count: int, processes: int = 1) -> Deck:
    """`count` scenes of a stream with their captions."""
    parts = [range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
    if processes < 2 or len(parts) == 1:
        chunks = [drawn_chunk(order, part) for part in parts]
    else:
        with ProcessPoolExecutor(min(processes, len(parts)), mp_context=get_context("spawn")) as pool:
            chunks = list(pool.map(drawn_chunk, [order] * len(parts), parts))
    return Deck(**{field.name: torch.cat([getattr(chunk, field.name) for chunk in chunks]) for field in fields(Deck)})
