"""The inpainting variant: the U-Net with nine channels, which sees where to paint and what stands round it.

As Stable Diffusion's own (Rombach et al. 2022): beside the noisy latent the mask and the latent of the picture with the
masked place grey. It begins as the base model with channels that say nothing, and learns the base model's objective.
Does not know how the base model was made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image, ImageDraw
from transformers import CLIPTokenizer

from easel.training.companions.drawing import Network, drawn_pictures
from easel.training.companions.practice import BATCH, Rows, encoded, kept_rows, noise_on, practised
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.objectives import Noiser, v_target, x0_from_v
from easel.training.learning.sheet import write_sheet
from easel.training.networks.autoencoder import latents_of, psnr
from easel.training.networks.blocks import swift
from easel.training.networks.export import round_to_eight_bits, save_half
from easel.training.networks.towers import Towers
from easel.training.networks.unet import encode_text
from easel.training.world.scenes import generator
from easel.training.world.source import UNSEEN_SEED, Source, compose

SEED = 97
CHUNK = 128  # compositions in one kept file
FOLDER = "starter-inpainting"
MORE = 5  # channels: the mask and the four of the masked picture
WHOLE = 0.1  # share of masks that hide everything


@dataclass(frozen=True)
class RepaintConfig:
    """How the variant is trained and judged."""

    pictures: int = 4096  # compositions that are practised, each with one mask
    batch: int = 32
    empty: float = 0.15  # share of dropped captions
    judged: int = 32  # unseen compositions of a figure
    steps: int = 20  # sampling steps of a figure


def draw_mask(rng: np.random.Generator, side: int, whole: float = WHOLE) -> torch.Tensor:
    """A mask (side, side) of 0 and 1, 1 where painted: a box, an ellipse, thick strokes, or, seldom, everything."""
    canvas = Image.new("L", (side, side))
    brush, kind = ImageDraw.Draw(canvas), rng.random()
    if kind < whole:
        return torch.ones(side, side)
    if kind < 0.7:
        wide, high = rng.uniform(0.25, 0.7, 2) * side
        x, y = rng.uniform(0, side - wide), rng.uniform(0, side - high)
        (brush.rectangle if kind < 0.4 else brush.ellipse)((x, y, x + wide, y + high), fill=255)
    else:
        places = [(float(x), float(y)) for x, y in rng.uniform(0.1, 0.9, (4, 2)) * side]
        brush.line(places, fill=255, width=max(1, int(side * rng.uniform(0.1, 0.25))), joint="curve")
    return torch.from_numpy(np.asarray(canvas) > 127).float()


def conditioned(autoencoder: AutoencoderKL, pictures: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """The channels beside the noise (n, 5, h, w) float16 of pictures (n, 3, H, W) in -1..1 and masks (n, H, W)."""
    hidden = pictures * (1 - masks[:, None])  # zero is grey
    latents = torch.cat([latents_of(autoencoder, part) for part in hidden.split(BATCH)])
    cells = F.interpolate(masks[:, None], size=latents.shape[-2:])
    return torch.cat([cells.half(), latents], 1)


def make_rows(
    towers: Towers, tokenizer: CLIPTokenizer, autoencoder: AutoencoderKL, source: Source, count: int, folder: Path
) -> Rows:
    """Latents, contexts and the channels beside the noise ("beside", (n, 5, h, w)), float16, kept on disk."""

    @torch.no_grad()
    def make(numbers: range) -> Rows:
        found = compose(source, SEED, numbers)
        masks = torch.stack([draw_mask(generator(SEED, 2, number), source.side) for number in numbers])
        rows = encoded(towers, tokenizer, autoencoder, found.pictures, found.captions)
        return {**rows, "beside": conditioned(autoencoder, found.pictures, masks.to(source.device))}

    rows = kept_rows(folder, "masked", count, CHUNK, make)
    return {name: tensor.to(source.device) for name, tensor in rows.items()}


@torch.no_grad()
def with_more_channels(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """A copy of a U-Net that reads five channels more, which say nothing yet."""
    config = {**unet.config, "in_channels": int(unet.config["in_channels"]) + MORE}
    wider: Any = UNet2DConditionModel.from_config(config)
    weights = unet.state_dict()
    first = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat([first, first.new_zeros(len(first), MORE, *first.shape[2:])], 1)
    wider.load_state_dict(weights)
    return swift(wider).to(unet.device, memory_format=torch.channels_last)


def make_losses(
    unet: UNet2DConditionModel, rows: Rows, empty: torch.Tensor, config: RepaintConfig
) -> Callable[[int], Losses]:
    """The loss as a function of the step; `empty` (1, 77, width) is the context of no words."""
    device = unet.device
    noiser = noise_on(device)

    def losses(step: int) -> Losses:
        rng = generator(SEED, 1, step)
        chosen, context = practised(rows, rng, config.batch, config.empty, empty)
        noised = noiser.noised(rows["latents"][chosen].float(), rng)
        seen = torch.cat([noised.x, rows["beside"][chosen].float()], 1)
        with torch.autocast(device.type, torch.bfloat16):
            v = unet(seen.contiguous(memory_format=torch.channels_last), noised.t, context).sample
        return noised.losses(v)

    return losses


def held(network: Network, kept: torch.Tensor, cells: torch.Tensor, noiser: Noiser) -> Network:
    """A network whose result is held to latents `kept` (n, 4, h, w) wherever `cells` (n, 1, h, w) is 0."""

    def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        a, s = noiser.at(t.round().long())
        clean = x0_from_v(x, network(x, t).float(), a, s)
        clean = clean * cells + kept * (1 - cells)
        return v_target(clean, (x - a * clean) / s, a, s)

    return predict


@dataclass(frozen=True)
class Trials:
    """Unseen compositions: pictures, masks (n, H, W), latents, what stands beside the noise, contexts, captions."""

    pictures: torch.Tensor
    masks: torch.Tensor
    latents: torch.Tensor
    beside: torch.Tensor
    contexts: torch.Tensor
    captions: list[str]


@torch.no_grad()
def make_trials(
    towers: Towers, tokenizer: CLIPTokenizer, autoencoder: AutoencoderKL, source: Source, count: int
) -> Trials:
    """Compositions that nothing practises; none is masked all over."""
    found = compose(source, UNSEEN_SEED, range(count))
    masks = torch.stack([draw_mask(generator(UNSEEN_SEED, 2, n), source.side, whole=0.0) for n in range(count)])
    masks = masks.to(source.device)
    rows = encoded(towers, tokenizer, autoencoder, found.pictures, found.captions)
    beside = conditioned(autoencoder, found.pictures, masks)
    return Trials(found.pictures, masks, rows["latents"], beside, rows["contexts"], found.captions)


def draw_trials(
    unet: UNet2DConditionModel, autoencoder: AutoencoderKL, trials: Trials, empty: torch.Tensor, steps: int
) -> torch.Tensor:
    """Pictures (n, 3, H, W) in -1..1 painted anew under the masks, by the base model or by the variant."""
    noiser, sees = noise_on(unet.device), int(unet.config["in_channels"]) > MORE

    def network(part: slice) -> Network:
        words, beside = trials.contexts[part].float(), trials.beside[part].float()
        context, twice = torch.cat([empty.expand_as(words), words]), torch.cat([beside, beside])
        kept = torch.cat([trials.latents[part].float()] * 2)

        def look(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            seen = torch.cat([x, twice], 1) if sees else x
            return unet(seen.contiguous(memory_format=torch.channels_last), t, context).sample

        return held(look, kept, twice[:, :1], noiser)

    seeds = [UNSEEN_SEED + number for number in range(len(trials.captions))]
    return drawn_pictures(autoencoder, network, seeds, int(unet.config["sample_size"]), steps)


def within(pictures: torch.Tensor, trials: Trials) -> float:
    """Mean PSNR in dB of what was painted, under the masks alone."""
    square = ((pictures - trials.pictures).square() * trials.masks[:, None]).sum((1, 2, 3))
    return float(psnr(square / (3 * trials.masks.sum((1, 2))).clamp_min(1)).mean())


def train_repainting(
    tokenizer: CLIPTokenizer,
    towers: Towers,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
    source: Source,
    config: RepaintConfig,
    plan: Plan,
    folder: Path,
) -> UNet2DConditionModel:
    """Trains (or goes on training) the variant in `folder` and writes it there as the folder FOLDER, in eight bits.

    Prints how near to the true picture it paints under the masks of unseen compositions, and how near the base does.
    """
    wider = with_more_channels(unet.requires_grad_(False)).train()
    if unet.device.type == "cpu":
        wider.set_attn_processor(AttnProcessor())  # quicker backwards at these sizes than torch's fused attention
    rows = make_rows(towers, tokenizer, autoencoder, source, config.pictures, folder / "rows")
    trials = make_trials(towers, tokenizer, autoencoder, source, config.judged)
    empty = encode_text(towers, tokenizer, [""])
    plain = draw_trials(unet, autoencoder, trials, empty, config.steps)
    print(f"the base model paints to {within(plain, trials):.2f} dB", flush=True)

    @torch.no_grad()
    def sheet(step: int) -> None:
        drawn = draw_trials(wider, autoencoder, trials, empty, config.steps)
        print(f"step {step}: paints to {within(drawn, trials):.2f} dB", flush=True)
        hidden = trials.pictures * (1 - trials.masks[:, None])
        parts = (trials.pictures, hidden, plain, drawn)
        shown = [torch.cat([part[n : n + 8] for part in parts]) for n in range(0, len(drawn), 8)]
        words = [trials.captions[n : n + 8] for n in range(0, len(drawn), 8) for _ in parts]
        write_sheet(folder / "sheet.png", torch.cat(shown), [word for some in words for word in some])
        save_half(UNet2DConditionModel.from_config(wider.config), wider, folder / FOLDER)
        round_to_eight_bits(folder / FOLDER)

    train(wider, make_losses(wider, rows, empty, config), plan, folder, sheet)
    return wider
