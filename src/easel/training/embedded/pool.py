"""Latents of the deck's scenes, encoded once and kept on the device: what the base model learns from.

Their contexts too, where they are asked for: on processor cores a tenth of a step would be the text tower's otherwise.
Square ones mostly, and a share of every other bucket. A pool is filled anew while training goes on, for what is seen
too often is learned by heart. Knows no objective.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn

from easel.training.embedded.workshop import Workshop
from easel.training.learning import checkpoint
from easel.training.networks.autoencoder import latents_of
from easel.training.networks.towers import Towers

CHUNK = 512  # latents in a file; at 32 x 32 about 4 MB
SPOKEN = 128  # scenes in a file of contexts; three captions of width 256 make 15 MB
Size = tuple[int, int]


@dataclass(frozen=True)
class Bucket:
    """Latents (n, 4, h, w) of one size. size: (height, width) in pixels; rows (n,): numbers of their scenes.

    contexts: (n, K, 77, width) float16 of all captions of each, None where they are computed at each step.
    """

    size: Size
    rows: torch.Tensor
    latents: torch.Tensor
    contexts: torch.Tensor | None = None


def shares(shop: Workshop) -> dict[Size, float]:
    """Each bucket's share of the practice, in sum 1."""
    side, others = shop.recipe.side, shop.recipe.buckets
    return {(side, side): 1 - sum(others.values())} | others


def rows_of(shop: Workshop, turn: int) -> dict[Size, torch.Tensor]:
    """The scenes of each bucket's latents at the pool's `turn`-th filling."""
    count, wanted = len(shop.deck), shop.recipe.pool
    found, first = {}, turn * wanted
    for size, share in shares(shop).items():
        n = max(1, round(share * wanted))
        found[size] = torch.arange(first, first + n) % count
        first += n
    return found


def encoded(shop: Workshop, autoencoder: AutoencoderKL, rows: torch.Tensor, size: Size) -> torch.Tensor:
    """Scaled latents (n, 4, h, w) float16 of scenes at one size."""
    parts = rows.split(64 if shop.fast else 16)
    return torch.cat([latents_of(autoencoder, shop.pictures(some, size)) for some in parts])


@torch.no_grad()
def spoken(shop: Workshop, towers: Towers, rows: torch.Tensor) -> torch.Tensor:
    """Contexts (n, K, 77, width) float16 of all captions of scenes."""
    tokens = shop.deck.tokens[rows.to(shop.device)].long()
    with torch.autocast(shop.device.type, torch.bfloat16):
        parts = [towers.text(some).last_hidden_state.half() for some in tokens.flatten(0, 1).split(64)]
    return torch.cat(parts).unflatten(0, tokens.shape[:2])


def made_by(module: nn.Module) -> str:
    """Digits that change with a module's weights, so that nothing kept outlives what made it."""
    digest = hashlib.sha256()
    for tensor in module.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


@torch.no_grad()
def fill(
    shop: Workshop,
    autoencoder: AutoencoderKL,
    turn: int = 0,
    keep: Path | None = None,
    towers: Towers | None = None,
) -> list[Bucket]:
    """Encode the pool's `turn`-th part. keep: a folder under which chunks are kept and found.

    towers: by which its captions are encoded too, None where they are not.
    """
    pictures = keep and keep / f"latents-{made_by(autoencoder.encoder)}"
    words = keep and towers and keep / f"words-{made_by(towers.text)}"
    buckets: list[Bucket] = []
    for size, rows in rows_of(shop, turn).items():
        latents: list[torch.Tensor] = []
        for some in rows.split(CHUNK):
            name = f"{size[0]}x{size[1]}-{int(some[0]):06d}-{len(some)}"
            latents.append(kept(pictures, name, partial(encoded, shop, autoencoder, some, size)))
        contexts = None
        if towers is not None:
            parts = [
                kept(words, f"{int(some[0]):06d}-{len(some)}", partial(spoken, shop, towers, some))
                for some in rows.split(SPOKEN)
            ]
            contexts = torch.cat(parts).to(shop.device)
        buckets.append(Bucket(size, rows.to(shop.device), torch.cat(latents).to(shop.device), contexts))
    return buckets


def kept(folder: Path | None, name: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
    """What `make` gives, from a file of this name in a folder where it is there; nothing is kept without a folder."""
    if folder is None:
        return make()
    return checkpoint.kept(folder / f"{name}.safetensors", lambda: {"rows": make()})["rows"]


def turns(buckets: list[Bucket], wanted: dict[Size, float]) -> Iterator[float]:
    """The cumulated shares of the buckets, by which a step chooses one."""
    total = 0.0
    for bucket in buckets:
        total += wanted[bucket.size]
        yield total
