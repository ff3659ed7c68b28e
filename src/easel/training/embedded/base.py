"""The base stage: a U-Net with cross-attention on the pool's latents, led by the frozen text tower.

v-prediction on levels that end in nearly pure noise (Lin et al. 2024), squared errors weighted by min-SNR (Hang et al.
2023), captions left out now and then for classifier-free guidance (Ho and Salimans 2022).
Does not know how latents came to be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from easel.training.embedded.growing import begin_from
from easel.training.embedded.pool import Bucket, contexts, fill, shares, turns
from easel.training.embedded.speed import Pace, flops_of
from easel.training.embedded.workshop import SEED, STATE, Workshop, trained_autoencoder, trained_towers
from easel.training.learning.loop import Losses, train
from easel.training.learning.sheet import write_sheet
from easel.training.networks.export import export
from easel.training.networks.towers import Towers
from easel.training.networks.unet import SHEET_PROMPTS, draw, encode_text, make_unet, noise_levels
from easel.training.world.scenes import generator

CENTRE = 0.8  # of log sigma, where shapes are decided: the more pixels a shape has, the more noise it takes to hide it
MORE_PROMPTS = (
    "three apples", "고양이 두 마리", "a fox above a pumpkin", "neon sign of a guitar", "an oil painting of a castle",
    "a mosaic of a whale", "line art of a bicycle", "a dragon on a blue to purple gradient background",
)  # fmt: skip


def make_losses(
    shop: Workshop, unet: UNet2DConditionModel, towers: Towers, autoencoder: AutoencoderKL, pace: Pace | None = None
) -> Callable[[int], Losses]:
    """The loss as a function of the step. Each step takes one bucket; the pool is filled anew as the recipe says."""
    recipe, config, device = shop.recipe, shop.recipe.base, shop.device
    noiser = noise_levels(device, CENTRE)
    empty = encode_text(towers, shop.tokenizer, [""])[0]
    compiled = torch.compile(unet) if shop.patient else unet
    square = (recipe.side, recipe.side)  # whose forward alone is worth the minute that compiling takes
    text = torch.compile(towers.text) if shop.fast else towers.text
    keep = None if recipe.refresh else shop.out / "base" / "pool"
    known = contexts(shop, towers, keep) if keep else None
    state: dict[int, list[Bucket]] = {}

    def pool(step: int) -> list[Bucket]:
        turn = step // recipe.refresh if recipe.refresh else 0
        if turn not in state:
            state.clear()
            state[turn] = fill(shop, autoencoder, turn, keep)
        return state[turn]

    def said(rows: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        if known is not None:
            return known[rows, turn].float()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            return text(shop.deck.tokens[rows, turn].long()).last_hidden_state.float()

    def losses(step: int) -> Losses:
        rng, buckets = generator(SEED, 4, step), pool(step)
        bucket = buckets[min(bisect_right(list(turns(buckets, shares(shop))), rng.random()), len(buckets) - 1)]
        chosen = torch.from_numpy(rng.integers(0, len(bucket.rows), config.batch)).to(device)
        silent = torch.from_numpy(rng.random(config.batch) < config.empty).to(device)
        turn = torch.from_numpy(rng.integers(0, shop.deck.tokens.shape[1], config.batch)).to(device)
        context = torch.where(silent[:, None, None], empty, said(bucket.rows[chosen], turn))
        noised = noiser.noised(bucket.latents[chosen].float(), rng)
        with torch.autocast(device.type, torch.bfloat16):
            v = (compiled if bucket.size == square else unet)(noised.x, noised.t, context, return_dict=False)[0]
        if pace is not None:
            pace.step()
        return noised.losses(v)

    return losses


def fresh_unet(shop: Workshop) -> UNet2DConditionModel:
    """The U-Net before its first step: random, or grown from the exported one where there is one."""
    torch.manual_seed(SEED)
    unet = make_unet(shop.recipe.base, shop.recipe.clip.text_width, shop.recipe.side // 8)
    if shop.start is not None and not (shop.out / "base" / STATE).is_file():
        begin_from(unet, shop.start / "unet")
    if shop.device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # torch's fused attention is slow backwards at these sizes
    return unet.to(shop.device)


def train_base(shop: Workshop) -> UNet2DConditionModel:
    """Trains (or goes on training) the U-Net, exporting with every sheet so that there is always a model to use."""
    recipe, folder = shop.recipe, shop.out / "base"
    towers = trained_towers(shop).requires_grad_(False)
    autoencoder = trained_autoencoder(shop).requires_grad_(False)
    unet = fresh_unet(shop)
    side = recipe.side // 8
    one = torch.zeros(1, 4, side, side, device=shop.device)
    words = encode_text(towers, shop.tokenizer, [""])
    flops = flops_of(lambda: unet(one, torch.zeros(1, device=shop.device), words)) * recipe.base.batch
    pace = Pace(shop.device, recipe.base.batch, flops)
    prompts = (*SHEET_PROMPTS, *MORE_PROMPTS)

    def sheet(step: int) -> None:
        steps = recipe.base.sheet_steps
        pictures = draw(unet, autoencoder, towers, shop.tokenizer, prompts, range(len(prompts)), steps)
        write_sheet(folder / "sheet.png", pictures.cpu(), prompts)
        export(shop.out / "model", shop.tokenizer, towers, autoencoder, unet, eight_bits=recipe.eight_bits)
        print(f"base step {step}: {pace.words}", flush=True)

    train(unet, make_losses(shop, unet, towers, autoencoder, pace), recipe.base_plan, folder, sheet)
    return unet
