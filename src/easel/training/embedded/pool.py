"""Latents of the deck's scenes, encoded once and kept on the device: what the base model and the decoder learn from.

Square ones mostly, and a share of every other bucket. A pool may be filled anew while training goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from easel.training.autoencoder import encode_mean
from easel.training.embedded.workshop import Workshop

CHUNK = 512  # latents in a file; at 32 x 32 about 4 MB
Size = tuple[int, int]


@dataclass(frozen=True)
class Bucket:
    """Latents (n, 4, h, w) of one size. size: (height, width) in pixels; rows (n,): numbers of their scenes."""

    size: Size
    rows: torch.Tensor
    latents: torch.Tensor


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
    parts = []
    for some in rows.split(64 if shop.fast else 16):
        pictures = shop.pictures(some, size)
        with torch.autocast(shop.device.type, torch.bfloat16):
            mean = encode_mean(autoencoder, pictures)
        parts.append((mean.float() * autoencoder.config.scaling_factor).half())
    return torch.cat(parts)


@torch.no_grad()
def fill(shop: Workshop, autoencoder: AutoencoderKL, turn: int = 0, keep: Path | None = None) -> list[Bucket]:
    """Encode the pool's `turn`-th part. keep: a folder where chunks are kept, and taken from where they are there."""
    buckets = []
    for size, rows in rows_of(shop, turn).items():
        parts: list[torch.Tensor] = []
        for n, some in enumerate(rows.split(CHUNK)):
            name = f"{size[0]}x{size[1]}-{turn}-{n:05d}"
            parts.append(kept(keep, name, partial(encoded, shop, autoencoder, some, size)))
        buckets.append(Bucket(size, rows.to(shop.device), torch.cat(parts).to(shop.device)))
    return buckets


def kept(folder: Path | None, name: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
    """What `make` gives, from a file of this name where there is one, else written to it whole or not at all."""
    if folder is None:
        return make()
    file = folder / f"{name}.safetensors"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        passing = file.with_suffix(".part")
        save_file({"latents": make().cpu().contiguous()}, passing)
        passing.replace(file)
        print(f"encoded {name}", flush=True)
    return load_file(file)["latents"]


def turns(buckets: list[Bucket], wanted: dict[Size, float]) -> Iterator[float]:
    """The cumulated shares of the buckets, by which a step chooses one."""
    total = 0.0
    for bucket in buckets:
        total += wanted[bucket.size]
        yield total
