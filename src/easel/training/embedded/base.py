"""The base stage: a U-Net with cross-attention on the pool's latents, led by the frozen text tower.

v-prediction on levels that end in nearly pure noise (Lin et al. 2024), squared errors weighted by min-SNR (Hang et al.
2023), captions left out now and then for classifier-free guidance (Ho and Salimans 2022).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from easel.training.base import BETA_END, BETA_START, SHEET_PROMPTS, STEPS, draw, encode_text, make_unet
from easel.training.clip import Towers
from easel.training.embedded.growing import begin_from
from easel.training.embedded.pool import Bucket, contexts, fill, shares, turns
from easel.training.embedded.speed import Pace, flops_of
from easel.training.embedded.workshop import SEED, STATE, Workshop, trained_autoencoder, trained_towers
from easel.training.export import export
from easel.training.loop import Losses, train
from easel.training.objectives import add_noise, alpha_bars, level_shares, levels_at, min_snr_weight, v_target
from easel.training.scenes import generator
from easel.training.sheet import write_sheet

# Of log sigma: four times the pixels of the 128-pixel model hide the same shape under twice the noise.
CENTRE = 0.8
MORE_PROMPTS = (
    "three apples", "고양이 두 마리", "a fox above a pumpkin", "neon sign of a guitar", "an oil painting of a castle",
    "a mosaic of a whale", "line art of a bicycle", "a dragon on a blue to purple gradient background",
)  # fmt: skip


def make_losses(
    shop: Workshop, unet: UNet2DConditionModel, towers: Towers, autoencoder: AutoencoderKL, pace: Pace | None = None
) -> Callable[[int], Losses]:
    """The loss as a function of the step. Each step takes one bucket; the pool is filled anew as the recipe says."""
    recipe, config, device = shop.recipe, shop.recipe.base, shop.device
    alpha_bar = alpha_bars(STEPS, BETA_START, BETA_END)
    spread, alpha_bar = level_shares(alpha_bar, CENTRE), alpha_bar.to(device)
    empty = encode_text(towers, shop.tokenizer, [""])[0]
    compiled = torch.compile(unet) if shop.patient else unet
    square = (recipe.side, recipe.side)  # whose forward alone is worth the minute that compiling takes
    text = torch.compile(towers.text) if shop.fast else towers.text
    keep = None if recipe.refresh else shop.out / "base" / "latents"
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
        # one noise level from each equal share of the practice: the same distribution, less variance
        even = (torch.arange(config.batch) + torch.from_numpy(rng.random(config.batch))) / config.batch
        t = torch.searchsorted(spread, even).clamp(max=STEPS - 1).to(device)
        x0 = bucket.latents[chosen].float()
        chance = torch.Generator(device).manual_seed(SEED * 1_000_003 + step)
        eps = torch.randn(x0.shape, generator=chance, device=device)
        a, s = levels_at(alpha_bar, t)
        x = add_noise(x0, eps, a, s).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            v = (compiled if bucket.size == square else unet)(x, t, context, return_dict=False)[0]
        error = (v.float() - v_target(x0, eps, a, s)).square()
        if pace is not None:
            pace.step()
        return {"loss": (error * min_snr_weight(a, s)).mean(), "v": error.mean().detach()}

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
