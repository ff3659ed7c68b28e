"""Where compositions come from: subjects, their sprites on a device, and the side of the pictures that are wanted.

Everything is a pure function of (seed, index), so training resumes exactly. Knows no models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from easel.training.world.captions import caption
from easel.training.world.deck import packed
from easel.training.world.kit import Kit, make_kit, read_kit
from easel.training.world.painting import Atlas, make_atlas, paint
from easel.training.world.scenes import Scene, draw_scene, generator
from easel.training.world.subjects import Subject, world_subjects

UNSEEN_SEED = 909  # of the stream of compositions that nothing practises


@dataclass(frozen=True)
class Source:
    """Subjects, their sprites, and the side in pixels of the pictures."""

    subjects: tuple[Subject, ...]
    atlas: Atlas
    side: int

    @property
    def device(self) -> torch.device:
        """Where pictures are made."""
        return self.atlas.device

    def paint(self, scenes: Sequence[Scene]) -> torch.Tensor:
        """Pictures (B, 3, side, side) float32 in -1..1 of scenes."""
        return paint(self.atlas, packed(scenes).to(self.device), (self.side, self.side))


@dataclass(frozen=True)
class Compositions:
    """Pictures (B, 3, side, side) float32 in -1..1, their captions and scenes."""

    pictures: torch.Tensor
    captions: list[str]
    scenes: list[Scene]


def kit_of(folder: Path | None, count: int | None) -> Kit:
    """The first `count` subjects, all where None, of the kit in a folder or drawn from this machine's font."""
    kit = read_kit(folder) if folder else make_kit(world_subjects()[:count])
    return kit if count is None else Kit(kit.subjects[:count], kit.atlas[:count])


def open_source(kit: Path | None, count: int | None, side: int, device: str | torch.device) -> Source:
    """The source of pictures of so many subjects on a device."""
    found = kit_of(kit, count)
    return Source(found.subjects, make_atlas(found.atlas, device), side)


def said(subjects: Sequence[Subject], seed: int, index: int) -> tuple[Scene, str]:
    """Scene number `index` of the stream `seed`, and a caption of it."""
    rng = generator(seed, index)
    scene = draw_scene(rng, len(subjects))
    return scene, caption(scene, subjects, rng)


def compose(source: Source, seed: int, numbers: Sequence[int]) -> Compositions:
    """The compositions of a stream with these numbers."""
    drawn = [said(source.subjects, seed, number) for number in numbers]
    scenes, captions = [scene for scene, _ in drawn], [words for _, words in drawn]
    return Compositions(source.paint(scenes), captions, scenes)
