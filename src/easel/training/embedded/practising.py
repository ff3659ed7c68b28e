"""Practising a U-Net on the pool's latents, led by the frozen text tower: what the half and the base stage share.

v-prediction on levels that end in nearly pure noise (Lin et al. 2024), squared errors weighted by min-SNR (Hang et al.
2023), captions left out now and then for classifier-free guidance (Ho and Salimans 2022).
Does not know how latents came to be.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from easel.training.embedded.compiling import trusted
from easel.training.embedded.pool import Bucket, fill, shares, turns
from easel.training.embedded.speed import Pace, flops_of
from easel.training.embedded.workshop import SEED, Workshop
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.objectives import Noised
from easel.training.learning.sheet import write_sheet
from easel.training.networks.autoencoder import latents_of
from easel.training.networks.export import export
from easel.training.networks.towers import Towers
from easel.training.networks.unet import SHEET_PROMPTS, draw, encode_text, noise_levels
from easel.training.world.scenes import generator

UNSEEN = 96  # scenes that nothing practises, on which it is told how much was learned by heart
CENTRE = 0.8  # of log sigma, where shapes are decided: the more pixels a shape has, the more noise it takes to hide it
MORE_PROMPTS = (
    "three apples", "고양이 두 마리", "a fox above a pumpkin", "neon sign of a guitar", "an oil painting of a castle",
    "a mosaic of a whale", "line art of a bicycle", "a dragon on a blue to purple gradient background",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """A step's noised latents and the contexts (B, 77, width) that lead them. square: whether of the usual size."""

    noised: Noised
    context: torch.Tensor
    square: bool


def chosen(rng: np.random.Generator, count: int, plain: torch.Tensor, share: float) -> torch.Tensor:
    """`count` numbers below n, each for a share among those that `plain` (n,) bool marks, if any; else among all."""
    among = torch.from_numpy(rng.integers(0, len(plain), count)).to(plain.device)
    marked = torch.nonzero(plain)[:, 0]
    if share == 0 or len(marked) == 0:
        return among
    some = torch.from_numpy(rng.integers(0, len(marked), count)).to(plain.device)
    return torch.where(torch.from_numpy(rng.random(count) < share).to(plain.device), marked[some], among)


def make_batches(shop: Workshop, towers: Towers, autoencoder: AutoencoderKL, shrink: int = 1) -> Callable[[int], Batch]:
    """The batch as a function of the step. Each takes one bucket; the pool is filled anew as the recipe says.

    shrink: latents are made so many times smaller by averages. The same shapes are decided at so much less noise there,
    as averages of noise are weaker.
    """
    recipe, config, device = shop.recipe, shop.recipe.base, shop.device
    noiser = noise_levels(device, CENTRE - math.log(shrink))
    plain = recipe.plain if shrink > 1 else recipe.plain_later
    empty = encode_text(towers, shop.tokenizer, [""])[0]
    square = (recipe.side, recipe.side)  # whose forward alone is worth the minute that compiling takes
    text = torch.compile(towers.text) if shop.fast else towers.text
    keep = None if shop.fast else shop.out / "base" / "pool"
    state: dict[int, list[Bucket]] = {}

    def pool(step: int) -> list[Bucket]:
        turn = step // recipe.refresh if recipe.refresh else 0
        if turn not in state:
            state.clear()
            state[turn] = fill(shop, autoencoder, turn, keep, None if shop.fast else towers)
        return state[turn]

    def said(bucket: Bucket, rows: torch.Tensor, caption: torch.Tensor) -> torch.Tensor:
        if bucket.contexts is not None:
            return bucket.contexts[rows, caption].float()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            return text(shop.deck.tokens[bucket.rows[rows], caption].long()).last_hidden_state.float()

    def batch(step: int) -> Batch:
        rng, buckets = generator(SEED, 4, step), pool(step)
        bucket = buckets[min(bisect_right(list(turns(buckets, shares(shop))), rng.random()), len(buckets) - 1)]
        rows = chosen(rng, config.batch, shop.deck.plain[bucket.rows], plain)
        silent = torch.from_numpy(rng.random(config.batch) < config.empty).to(device)
        caption = torch.from_numpy(rng.integers(0, shop.deck.tokens.shape[1], config.batch)).to(device)
        context = torch.where(silent[:, None, None], empty, said(bucket, rows, caption))
        latents = F.avg_pool2d(bucket.latents[rows].float(), shrink)
        return Batch(noiser.noised(latents, rng), context, bucket.size == square)

    return batch


@torch.no_grad()
def unseen(shop: Workshop, towers: Towers, autoencoder: AutoencoderKL, shrink: int) -> Batch:
    """A batch of scenes that nothing practises, always the same."""
    rows = torch.arange(min(UNSEEN, len(shop.unseen)))
    latents = torch.cat([latents_of(autoencoder, shop.pictures(some, unseen=True)) for some in rows.split(16)])
    context = towers.text(shop.unseen.tokens[rows.to(shop.device), 0].long()).last_hidden_state.float()
    noiser = noise_levels(shop.device, CENTRE - math.log(shrink))
    return Batch(noiser.noised(F.avg_pool2d(latents.float(), shrink), generator(SEED, 6)), context, True)


def errors(forward: Callable[..., Any], batch: Batch) -> Losses:
    """What a U-Net's forward gets wrong of a batch."""
    with torch.autocast(batch.context.device.type, torch.bfloat16):
        v = forward(batch.noised.x, batch.noised.t, batch.context, return_dict=False)[0]
    return batch.noised.losses(v)


def make_losses(
    shop: Workshop, unet: UNet2DConditionModel, batches: Callable[[int], Batch], pace: Pace | None = None
) -> Callable[[int], Losses]:
    """The loss as a function of the step."""

    def first(forward: Callable[..., Any]) -> torch.Tensor:
        return errors(forward, next(batch for batch in map(batches, count()) if batch.square))["loss"]

    square = trusted(unet, torch.compile(unet), first) if shop.fast else unet

    def losses(step: int) -> Losses:
        batch = batches(step)
        found = errors(square if batch.square else unet, batch)
        if pace is not None:
            pace.step()
        return found

    return losses


def practised(
    shop: Workshop,
    unet: UNet2DConditionModel,
    towers: Towers,
    autoencoder: AutoencoderKL,
    plan: Plan,
    folder: Path,
    model: Path,
    shrink: int = 1,
) -> UNet2DConditionModel:
    """The U-Net trained by a plan (or trained on) in its folder, now and then with a sheet and an export to `model`."""
    recipe = shop.recipe
    side = unet.config.sample_size
    one = torch.zeros(1, 4, side, side, device=shop.device)
    words = encode_text(towers, shop.tokenizer, [""])
    flops = flops_of(lambda: unet(one, torch.zeros(1, device=shop.device), words)) * recipe.base.batch
    pace = Pace(shop.device, recipe.base.batch, flops)
    prompts, held = (*SHEET_PROMPTS, *MORE_PROMPTS), unseen(shop, towers, autoencoder, shrink)

    def sheet(step: int) -> None:
        pictures = draw(
            unet, autoencoder, towers, shop.tokenizer, prompts, range(len(prompts)), recipe.base.sheet_steps
        )
        write_sheet(folder / "sheet.png", pictures.cpu(), prompts)
        export(model, shop.tokenizer, towers, autoencoder, unet, eight_bits=recipe.eight_bits)
        with torch.no_grad():
            apart = float(errors(unet, held)["v"])
        print(f"{folder.name} step {step}: v {apart:.4f} on unseen scenes, {pace.words}", flush=True)

    batches = make_batches(shop, towers, autoencoder, shrink)
    train(unet, make_losses(shop, unet, batches, pace), plan, folder, sheet)
    return unet


def plain_looks(shop: Workshop, unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The U-Net on its device, with the attention that is fastest to train there."""
    if shop.device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # torch's fused attention is slow backwards at these sizes
    return unet.to(shop.device)
