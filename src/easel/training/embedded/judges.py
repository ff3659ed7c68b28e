"""Judges of pictures that share no weights: pixels against every glyph, the model's own CLIP, a classifier of styles.

Each also judges true compositions, so that it is known what it can see. Knows neither prompts nor figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTokenizer

from easel.training.embedded.looking import border_colour, crop_subject, nearest_background
from easel.training.embedded.workshop import SEED, Workshop
from easel.training.networks.towers import Towers, picture_features, text_features
from easel.training.world.deck import packed
from easel.training.world.painting import Atlas, paint
from easel.training.world.scenes import BACKGROUNDS, STYLES, Scene, Thing, draw_scene, generator
from easel.training.world.subjects import Subject

SIDE = 128  # pixels at which subjects are cut out and compared


class Glyphs:
    """Ranks subjects by the distance of what is drawn to every glyph and its mirror image on the same background."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._tables: dict[str, torch.Tensor] = {}

    def ranked(self, pictures: torch.Tensor) -> torch.Tensor:
        """Subjects (B, N), nearest first, of pictures (B, 3, H, W) in -1..1 with one subject each."""
        pictures = F.interpolate(pictures.float(), size=SIDE, mode="area").cpu()
        colours, names = border_colour(pictures), nearest_background(pictures)
        orders = []
        for picture, colour, name in zip(pictures, colours, names, strict=True):
            table, drawn = self._table(name), crop_subject(picture, colour)
            straight = (table - drawn).square().mean((1, 2, 3))
            mirrored = (table.flip(-1) - drawn).square().mean((1, 2, 3))
            orders.append(torch.minimum(straight, mirrored).argsort())
        return torch.stack(orders)

    def _table(self, ground: str) -> torch.Tensor:
        """Every glyph cut out of a background, (N, 3, side, side)."""
        if ground not in self._tables:
            colour = BACKGROUNDS[ground]
            scenes = [Scene((Thing(n),), colour=colour, colour_2=colour) for n in range(len(self._atlas))]
            edge = torch.tensor(colour) * 2 - 1
            crops = []
            for first in range(0, len(scenes), 64):
                deck = packed(scenes[first : first + 64]).to(self._atlas.device)
                crops += [crop_subject(one, edge) for one in paint(self._atlas, deck, (SIDE, SIDE)).cpu()]
            self._tables[ground] = torch.stack(crops)
        return self._tables[ground]


class Names:
    """Ranks subjects by how like pictures are to their names, in both languages together, to the model's own CLIP."""

    def __init__(self, towers: Towers, tokenizer: CLIPTokenizer, subjects: Sequence[Subject]) -> None:
        english = text_features(towers, tokenizer, [s.english[0].lstrip("~") for s in subjects])
        korean = text_features(towers, tokenizer, [s.korean[0] for s in subjects])
        self._towers, self._names = towers, F.normalize(english + korean, dim=-1)

    def ranked(self, pictures: torch.Tensor) -> torch.Tensor:
        """Subjects (B, N), likest first, of pictures (B, 3, H, W) in -1..1."""
        device = self._names.device
        order = (picture_features(self._towers, pictures.to(device)) @ self._names.T).argsort(-1, descending=True)
        return order.cpu()


class Styles:
    """A small network that has learned the styles of rendered compositions, and how well it knows unseen ones."""

    def __init__(self, shop: Workshop, steps: int = 300, batch: int = 64, side: int = 96) -> None:
        torch.manual_seed(SEED)
        width = 48
        self._side = side
        self._network = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2), nn.GELU(),
            nn.Conv2d(width, width, 3, 2, 1), nn.GroupNorm(8, width), nn.GELU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1), nn.GroupNorm(8, 2 * width), nn.GELU(),
            nn.Conv2d(2 * width, 2 * width, 3, 2, 1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(2 * width, len(STYLES)),
        ).to(shop.device)  # fmt: skip
        optimizer = torch.optim.AdamW(self._network.parameters(), lr=2e-3, weight_decay=0.01)
        for step in range(steps):
            pictures, wanted = self._drawn(shop, step, batch)
            loss = F.cross_entropy(self._network(pictures), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        pictures, wanted = self._drawn(shop, steps + 1, 4 * batch)
        self.known = float((self.named(pictures) == wanted.cpu()).float().mean())

    def _drawn(self, shop: Workshop, number: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures of scenes without faults, and the numbers of their styles."""
        rng = generator(SEED, 6, number)
        scenes: list[Scene] = []
        while len(scenes) < count:
            scene = draw_scene(rng, len(shop.subjects))
            if not scene.damage and (scene.style or rng.random() < 0.12):
                scenes.append(scene)
        deck = packed(scenes).to(shop.device)
        side = shop.recipe.side
        return self._seen(paint(shop.atlas, deck, (side, side))), deck.style.long()

    def _seen(self, pictures: torch.Tensor) -> torch.Tensor:
        return F.interpolate(pictures, size=self._side, mode="area")

    @torch.no_grad()
    def named(self, pictures: torch.Tensor) -> torch.Tensor:
        """The numbers of the styles (B,) of pictures (B, 3, H, W) in -1..1."""
        device = next(self._network.parameters()).device
        return self._network(self._seen(pictures.to(device))).argmax(-1).cpu()


def frechet(one: torch.Tensor, other: torch.Tensor) -> float:
    """The Fréchet distance of two sets of features (n, D) taken as normal (Heusel et al. 2017)."""
    a, b = one.double(), other.double()
    first, second = torch.cov(a.T), torch.cov(b.T)
    # the trace of the root of a product of two covariances, by the root of one of them
    values, vectors = torch.linalg.eigh(first)
    root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + first.trace() + second.trace() - 2 * mixed)
