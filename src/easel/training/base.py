"""The base model: a U-Net with cross-attention on the autoencoder's latents, conditioned by the frozen text tower.

v-prediction on a schedule that ends in nearly pure noise, so that sampling may start from noise and still draw plain
backgrounds in any brightness (Lin et al. 2024).  Latents and text features are computed once and kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from easel.training.autoencoder import encode_mean
from easel.training.clip import Towers, tokenize
from easel.training.data import batched, compose, draw_captioned
from easel.training.loop import Losses, Plan, train
from easel.training.objectives import (
    add_noise,
    alpha_bars,
    level_shares,
    levels_at,
    min_snr_weight,
    v_target,
    x0_from_v,
)
from easel.training.scenes import generator
from easel.training.sheet import write_sheet
from easel.training.subjects import Subject

CACHE_SEED = 37
CHUNK = 512
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
    """The U-Net's size and how it is trained."""

    channels: tuple[int, ...] = (96, 192)
    heads: tuple[int, ...] = (3, 6)
    attention: tuple[bool, ...] = (False, True)  # at 16 x 16 it would cost half of every step and teach little
    layers: int = 1
    groups: int = 32
    batch: int = 48
    cache: int = 28_672  # compositions whose latents and text features are kept
    plain: float = 1.5  # how much oftener a plain portrait of one subject is practised
    pairs: float = 1.3  # how much oftener two subjects are
    sheet_steps: int = 20  # sampling steps of the sample sheets
    empty: float = 0.1  # share of empty captions, for classifier-free guidance (Ho and Salimans 2022)


def make_unet(config: BaseConfig, context_width: int, side: int = 16) -> UNet2DConditionModel:
    """A new U-Net with random weights; the levels marked in `attention` and the middle look at the words."""
    down = tuple("CrossAttnDownBlock2D" if looks else "DownBlock2D" for looks in config.attention)
    up = tuple("CrossAttnUpBlock2D" if looks else "UpBlock2D" for looks in reversed(config.attention))
    return UNet2DConditionModel(
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
    ).to(memory_format=torch.channels_last)


@torch.no_grad()
def encode_text(towers: Towers, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Context (B, 77, width) float32: the last hidden state after the final norm, as Stable Diffusion 1 takes it."""
    tokens = tokenize(tokenizer, texts, whole=True).to(towers.scale.device)
    return towers.text(tokens).last_hidden_state.float()


def chunks(config: BaseConfig, backwards: bool) -> list[range]:
    """The cached compositions' numbers in chunks of CHUNK."""
    parts = [range(n, min(n + CHUNK, config.cache)) for n in range(0, config.cache, CHUNK)]
    return parts[::-1] if backwards else parts


def write_chunk(path: Path, tensor: torch.Tensor) -> None:
    """Writes one chunk of the cache, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_suffix(".part")
    save_file({"rows": tensor.half().cpu().contiguous()}, passing)
    passing.replace(path)
    print(f"cached {path.name}", flush=True)


@torch.no_grad()
def cache_text(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    subjects: Sequence[Subject],
    config: BaseConfig,
    folder: Path,
    backwards: bool = False,
) -> None:
    """Writes the contexts (n, 77, width) of the compositions' captions; chunks that are there are kept."""
    for part in chunks(config, backwards):
        path = folder / f"text-{part.start:06d}.safetensors"
        if not path.is_file():
            captions = [draw_captioned(subjects, CACHE_SEED, index)[1] for index in part]
            with torch.autocast(towers.scale.device.type, torch.bfloat16):
                write_chunk(path, torch.cat([encode_text(towers, tokenizer, c) for c in batched(captions, 128)]))


@torch.no_grad()
def cache_latents(
    autoencoder: AutoencoderKL,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    config: BaseConfig,
    folder: Path,
    backwards: bool = False,
) -> None:
    """Writes the scaled latents (n, 4, 16, 16) of the compositions; chunks that are there are kept."""
    for part in chunks(config, backwards):
        path = folder / f"latents-{part.start:06d}.safetensors"
        if not path.is_file():
            latents = []
            for indices in batched(part, 64):
                pictures = compose(levels, subjects, CACHE_SEED, indices).pictures
                with torch.autocast(pictures.device.type, torch.bfloat16):
                    mean = encode_mean(autoencoder, pictures)
                latents.append(mean.float() * autoencoder.config.scaling_factor)
            write_chunk(path, torch.cat(latents))


def load_cache(config: BaseConfig, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (N, 4, 16, 16) and contexts (N, 77, width), float16."""

    def rows(kind: str) -> torch.Tensor:
        names = [f"{kind}-{part.start:06d}.safetensors" for part in chunks(config, False)]
        return torch.cat([load_file(folder / name)["rows"] for name in names])

    return rows("latents"), rows("text")


def practice_weights(subjects: Sequence[Subject], config: BaseConfig) -> np.ndarray:
    """How often each cached composition is practised (cache,), in sum 1: plain portraits and pairs more."""
    weights = np.ones(config.cache)
    for index in range(config.cache):
        scene, _ = draw_captioned(subjects, CACHE_SEED, index)
        plain = not (scene.style or scene.sprites[0].tint or scene.size_word or scene.place)
        if len(scene.sprites) == 2:
            weights[index] = config.pairs
        elif plain:
            weights[index] = config.plain
    return weights / weights.sum()


def begin_from(unet: UNet2DConditionModel, folder: Path) -> None:
    """Takes over the weights of an exported U-Net wherever names and shapes agree; the others stay as they are."""
    known = UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float32, low_cpu_mem_usage=False)
    wanted = unet.state_dict()
    fitting = {n: t for n, t in known.state_dict().items() if n in wanted and t.shape == wanted[n].shape}
    unet.load_state_dict(fitting, strict=False)
    print(f"begins with {len(fitting)} of {len(wanted)} tensors from {folder}", flush=True)


def make_losses(
    unet: UNet2DConditionModel,
    latents: torch.Tensor,
    contexts: torch.Tensor,
    empty: torch.Tensor,
    config: BaseConfig,
    weights: np.ndarray | None = None,
) -> Callable[[int], Losses]:
    """The loss as a function of the step; `empty` (77, width) is the context of no words, `weights` (N,) sum to 1."""
    device = next(unet.parameters()).device
    alpha_bar = alpha_bars(STEPS, BETA_START, BETA_END).to(device)
    shares = level_shares(alpha_bars(STEPS, BETA_START, BETA_END))
    empty = empty.to(device)

    def losses(step: int) -> Losses:
        rng = generator(CACHE_SEED, 1, step)
        rows = torch.from_numpy(rng.choice(len(latents), config.batch, p=weights))
        silent = torch.from_numpy(rng.random(config.batch) < config.empty).to(device)
        # one noise level from each equal share of the practice: the same distribution, less variance
        spread = (torch.arange(config.batch) + torch.from_numpy(rng.random(config.batch))) / config.batch
        t = torch.searchsorted(shares, spread).clamp(max=STEPS - 1).to(device)
        x0 = latents[rows].to(device).float()
        context = torch.where(silent[:, None, None], empty, contexts[rows].to(device).float())
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(CACHE_SEED * 1_000_003 + step)).to(device)
        a, s = levels_at(alpha_bar, t)
        x = add_noise(x0, eps, a, s).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            v = unet(x, t, context).sample
        error = (v.float() - v_target(x0, eps, a, s)).square()
        return {"loss": (error * min_snr_weight(a, s)).mean(), "v": error.mean().detach()}

    return losses


@torch.no_grad()
def sample_latents(
    unet: UNet2DConditionModel,
    context: torch.Tensor,
    empty: torch.Tensor,
    seeds: Sequence[int],
    steps: int = 20,
    scale: float = SCALE,
    side: int = 16,
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
        eps = s * x + a * v
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
    """Pictures (B, 3, 128, 128) in -1..1 from words."""
    context = encode_text(towers, tokenizer, prompts)
    empty = encode_text(towers, tokenizer, [""])
    latents = sample_latents(unet, context, empty, seeds, steps, scale, unet.config.sample_size)
    return autoencoder.decode(latents / autoencoder.config.scaling_factor).sample.float().clamp(-1, 1)


def train_base(
    autoencoder: AutoencoderKL,
    towers: Towers,
    tokenizer: CLIPTokenizer,
    levels: list[torch.Tensor],
    subjects: Sequence[Subject],
    config: BaseConfig,
    plan: Plan,
    folder: Path,
    on_sheet: Callable[[UNet2DConditionModel], object] | None = None,
    start: Path | None = None,
) -> UNet2DConditionModel:
    """Trains (or goes on training) the U-Net in `folder`; `on_sheet` is called with each sheet's averaged weights.

    A new run begins from the exported U-Net in the folder `start`, where one is given.
    """
    cache_text(towers, tokenizer, subjects, config, folder / "cache")
    cache_latents(autoencoder, levels, subjects, config, folder / "cache")
    latents, contexts = load_cache(config, folder / "cache")
    torch.manual_seed(CACHE_SEED)
    unet = make_unet(config, contexts.shape[-1], latents.shape[-1]).to(levels[0].device)
    if start is not None:
        begin_from(unet, start)
    if levels[0].device.type == "cpu":
        # torch's fused attention is slow backwards at these sizes: plain products train a quarter faster
        unet.set_attn_processor(AttnProcessor())

    def sheet(step: int) -> None:
        seeds = range(len(SHEET_PROMPTS))
        pictures = draw(unet, autoencoder, towers, tokenizer, SHEET_PROMPTS, seeds, config.sheet_steps)
        write_sheet(folder / "sheet.png", pictures, SHEET_PROMPTS)
        if on_sheet is not None:
            on_sheet(unet)

    empty = encode_text(towers, tokenizer, [""])[0].half().float()
    losses = make_losses(unet, latents, contexts, empty, config, practice_weights(subjects, config))
    train(unet, losses, plan, folder, sheet)
    return unet
