"""The base model's network: a U-Net with cross-attention on latents, how words reach it, and how it draws.

It predicts v on a schedule that ends in nearly pure noise, so that sampling may start from noise and still draw plain
backgrounds in any brightness (Lin et al. 2024). Knows neither its data nor how it learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTokenizer

from easel.training.learning.objectives import Noiser, add_noise, alpha_bars, eps_from_v, levels_at, x0_from_v
from easel.training.networks.blocks import swift
from easel.training.networks.tokenizer import tokenize
from easel.training.networks.towers import Towers

STEPS = 1000
SCALE = 2.5  # of guidance; at 4 colours glare and shapes harden, at 2 backgrounds and pairs begin to fade
BETA_START, BETA_END = 0.00085, 0.025
SHEET_PROMPTS = (
    "a fox", "여우", "an apple", "빨간 사과", "a blue fox", "파란 배경의 여우", "a rocket on a black background",
    "로봇", "a cat and a dog", "고양이와 개", "a ghost on a purple background", "분홍 배경의 유니콘",
    "pixel art of a frog", "연필로 그린 거북이", "a big pizza", "작은 펭귄", "a silhouette of a rabbit",
    "호박", "a castle at night", "수채화 나비", "a banana left of a strawberry",
    "노란 배경의 자동차", "a crown, green background", "눈사람",
)  # fmt: skip


@dataclass(frozen=True)
class BaseConfig:
    """The U-Net's size and how it is trained; channels, heads and attention have one value for each level."""

    channels: tuple[int, ...]
    heads: tuple[int, ...]
    attention: tuple[bool, ...]  # which levels look at the words
    layers: int = 1
    groups: int = 32
    batch: int = 48
    sheet_steps: int = 20  # sampling steps of the sample sheets
    empty: float = 0.1  # share of empty captions, for classifier-free guidance (Ho and Salimans 2022)


def make_unet(config: BaseConfig, context_width: int, side: int) -> UNet2DConditionModel:
    """A new U-Net with random weights for latents of `side`; levels marked in `attention` and the middle see words."""
    down = tuple("CrossAttnDownBlock2D" if looks else "DownBlock2D" for looks in config.attention)
    up = tuple("CrossAttnUpBlock2D" if looks else "UpBlock2D" for looks in reversed(config.attention))
    unet = UNet2DConditionModel(
        sample_size=side,
        in_channels=4,
        out_channels=4,
        block_out_channels=config.channels,
        layers_per_block=config.layers,
        norm_num_groups=config.groups,
        cross_attention_dim=context_width,
        attention_head_dim=config.heads,
        down_block_types=down,
        up_block_types=up,
    )
    return swift(unet).to(memory_format=torch.channels_last)


@torch.no_grad()
def encode_text(towers: Towers, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Context (B, 77, width) float32: the last hidden state after the final norm, as Stable Diffusion 1 takes it."""
    tokens = tokenize(tokenizer, texts, whole=True).to(towers.scale.device)
    return towers.text(tokens).last_hidden_state.float()


def noise_levels(device: torch.device, centre: float, width: float = 1.1) -> Noiser:
    """The model's own noise as something to practise on, mostly where log sigma is about `centre`."""
    return Noiser.of(alpha_bars(STEPS, BETA_START, BETA_END), centre, width, device)


@torch.no_grad()
def sample_latents(
    unet: UNet2DConditionModel,
    context: torch.Tensor,
    empty: torch.Tensor,
    seeds: Sequence[int],
    side: int,
    steps: int = 20,
    scale: float = SCALE,
) -> torch.Tensor:
    """Scaled latents (B, 4, side, side) for contexts (B, 77, width) by DDIM (Song et al. 2021) from pure noise."""
    device = context.device
    alpha_bar = alpha_bars(STEPS, BETA_START, BETA_END).to(device)
    x = torch.stack([torch.randn(4, side, side, generator=torch.Generator().manual_seed(s)) for s in seeds]).to(device)
    both = torch.cat([empty.to(device).expand_as(context), context])
    times = torch.linspace(STEPS - 1, 0, steps + 1).round().long()
    for now, after in pairwise(times):
        t = now.repeat(len(x)).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            v = unet(torch.cat([x, x]), torch.cat([t, t]), both).sample.float()
        without, with_words = v.chunk(2)
        v = without + scale * (with_words - without)
        a, s = levels_at(alpha_bar, t)
        x0 = x0_from_v(x, v, a, s)
        if after == 0:
            return x0
        eps = eps_from_v(x, v, a, s)
        a, s = levels_at(alpha_bar, after.repeat(len(x)).to(device))
        x = add_noise(x0, eps, a, s)
    return x


@torch.no_grad()
def draw(
    unet: UNet2DConditionModel,
    autoencoder: AutoencoderKL,
    towers: Towers,
    tokenizer: CLIPTokenizer,
    prompts: Sequence[str],
    seeds: Sequence[int],
    steps: int = 20,
    scale: float = SCALE,
) -> torch.Tensor:
    """Pictures (B, 3, H, W) in -1..1 from words, at the model's own side."""
    context = encode_text(towers, tokenizer, prompts)
    empty = encode_text(towers, tokenizer, [""])
    latents = sample_latents(unet, context, empty, seeds, unet.config.sample_size, steps, scale)
    return autoencoder.decode(latents / autoencoder.config.scaling_factor).sample.float().clamp(-1, 1)
