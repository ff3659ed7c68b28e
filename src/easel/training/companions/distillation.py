"""Distillation: a LoRA with which a small U-Net draws in four steps, without guidance, what it drew in twenty with it.

The teacher is the embedded model itself, sampled as people sample it: DPM++ 2M under guidance. Its way from noise to
picture is a smooth curve without chance, so it can be learned as what it is: the student takes four steps of Euler's
method from the same noise and is held to the teacher's curve at each of its four stops, with the gradient through all
steps. That is progressive distillation (Salimans and Ho 2022; guided: Meng et al. 2023) in one stage. Consistency
distillation with fresh noise (LCM-LoRA, Luo et al. 2023) forgets which picture a seed was; here a seed keeps it. Knows
nothing of how the model was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.func import functional_call
from transformers import CLIPTokenizer

from easel.sampling.levels import Levels
from easel.sampling.prediction import V
from easel.sampling.samplers import pairs, samplers, sampling
from easel.sampling.schedules import sigmas_for
from easel.training.companions.practice import Rows, kept_rows
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.lowrank import Factors
from easel.training.learning.sheet import write_sheet
from easel.training.networks.towers import Towers
from easel.training.networks.unet import BETA_END, BETA_START, SCALE, SHEET_PROMPTS, encode_text
from easel.training.world.scenes import generator
from easel.training.world.source import said
from easel.training.world.subjects import Subject

SEED = 53
UNSEEN_SEED = 9_000_000  # of the noise of sample sheets, beyond all seeds that are practised
SAMPLER, SCHEDULE = "Euler", "SGM Uniform"
TEACHER = "DPM++ 2M"
SOFT = 0.03  # root of mean square at which a distance begins to count as such; latents have a spread of 1
FILE = "starter-4steps.safetensors"
Denoise = Callable[[torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True)
class FewStepConfig:
    """The student's steps and size, and how it is taught."""

    steps: int = 4
    teacher_steps: int = 12  # a multiple of `steps`
    rank: int = 21  # that is trained; the file keeps what of it changes most
    megabytes: float = 3.0  # most that the file may take
    pictures: int = 2048  # curves of the teacher that are practised
    chunk: int = 128  # curves in a kept file
    batch: int = 16
    between: float = 0.3  # weight of the stops before the last

    def __post_init__(self) -> None:
        if self.teacher_steps % self.steps:
            raise ValueError(f"teacher_steps is {self.teacher_steps}; it must be a multiple of the {self.steps} steps")
        if self.batch > self.pictures:
            raise ValueError(f"batch is {self.batch}; it can be no more than the {self.pictures} pictures")


@dataclass(frozen=True)
class Curves:
    """The teacher's curves: stops (n, steps + 1, 4, side, side) at unit variance, contexts (n, 77, width), float16."""

    stops: torch.Tensor
    contexts: torch.Tensor


def starter_levels() -> Levels:
    """The noise levels of the starter."""
    return Levels.from_betas(beta_start=BETA_START, beta_end=BETA_END)


def student_sigmas(config: FewStepConfig) -> tuple[float, ...]:
    """The levels at which the student stops, the last 0."""
    return sigmas_for(samplers[SAMPLER], config.steps, starter_levels(), SCHEDULE)


def starting_noise(seeds: Sequence[int], side: int) -> torch.Tensor:
    """Noise (n, 4, side, side), of each picture by its own seed."""
    return torch.stack([torch.randn(4, side, side, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def unit(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """x at unit variance, as the network sees it; the picture itself at sigma 0."""
    return x / (1 + sigma * sigma) ** 0.5


def denoised(unet: UNet2DConditionModel, weights: dict[str, torch.Tensor], context: torch.Tensor) -> Denoise:
    """What a U-Net with some weights changed makes of x (n, ...) at a level, without guidance."""
    levels = starter_levels()

    def predict(x: torch.Tensor, sigma: float) -> torch.Tensor:
        sigmas = torch.full((len(x),), sigma, device=x.device)
        seen = V.input(x, sigmas).contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, torch.bfloat16):
            output = functional_call(unet, weights, (seen, levels.timestep(sigmas), context)).sample
        return V.denoised(output.float(), x, sigmas)

    return predict


def guided(unet: UNet2DConditionModel, context: torch.Tensor, empty: torch.Tensor, scale: float) -> Denoise:
    """What the teacher makes of x: under classifier-free guidance (Ho and Salimans 2022)."""
    both = denoised(unet, {}, torch.cat([empty.expand_as(context), context]))

    def predict(x: torch.Tensor, sigma: float) -> torch.Tensor:
        without, with_words = both(torch.cat([x, x]), sigma).chunk(2)
        return without + scale * (with_words - without)

    return predict


@torch.no_grad()
def teacher_curve(denoise: Denoise, noise: torch.Tensor, config: FewStepConfig) -> torch.Tensor:
    """The teacher's stops (n, steps + 1, 4, side, side) at unit variance, from the noise to the picture."""
    sigmas = sigmas_for(samplers[TEACHER], config.teacher_steps, starter_levels(), SCHEDULE)
    every = config.teacher_steps // config.steps
    steps = sampling(samplers[TEACHER], starter_levels().path, noise * sigmas[0], sigmas, no_noise)
    stops: list[torch.Tensor] = []
    try:
        asked = next(steps)
        for number in range(config.teacher_steps + 1):
            if number % every == 0:
                stops.append(unit(asked.x, asked.sigma))
            asked = steps.send(denoise(asked.x, asked.sigma))
    except StopIteration as end:
        stops.append(end.value)
    return torch.stack(stops, 1)


def no_noise(sigma: float, sigma_next: float) -> torch.Tensor:
    """The teacher's sampler asks for none."""
    raise AssertionError(f"{TEACHER} asked for noise between {sigma} and {sigma_next}")


def student_stops(denoise: Denoise, noise: torch.Tensor, sigmas: Sequence[float]) -> list[torch.Tensor]:
    """The student's stops at unit variance after each step of Euler's method; the last is its picture."""
    x, stops = noise * sigmas[0], []
    for sigma, sigma_next in pairs(sigmas):
        x = x + (x - denoise(x, sigma)) / sigma * (sigma_next - sigma)
        stops.append(unit(x, sigma_next))
    return stops


def make_curves(
    unet: UNet2DConditionModel,
    towers: Towers,
    tokenizer: CLIPTokenizer,
    subjects: Sequence[Subject],
    config: FewStepConfig,
    folder: Path,
) -> Curves:
    """The curves that are practised, drawn now where a chunk of them is not in `folder` yet."""
    empty = encode_text(towers, tokenizer, [""])
    side = int(unet.config["sample_size"])

    def make(numbers: range) -> Rows:
        contexts, stops = [], []
        for some in (numbers[n : n + 32] for n in range(0, len(numbers), 32)):
            context = encode_text(towers, tokenizer, [said(subjects, SEED, n)[1] for n in some])
            noise = starting_noise(some, side).to(unet.device)
            stops.append(teacher_curve(guided(unet, context, empty, SCALE), noise, config).half())
            contexts.append(context.half())
        return {"stops": torch.cat(stops), "contexts": torch.cat(contexts)}

    rows = kept_rows(folder, "curves", config.pictures, config.chunk, make)
    return Curves(rows["stops"].to(unet.device), rows["contexts"].to(unet.device))


def make_losses(
    unet: UNet2DConditionModel, factors: Factors, curves: Curves, config: FewStepConfig
) -> Callable[[int], Losses]:
    """The loss as a function of the step: how far the student's stops are from the teacher's, in the mean.

    A distance is the pseudo-Huber of a whole picture: squared when small, else plain, so that the few curves which
    turn to another picture do not drown the rest.
    """
    own = {name: value.detach() for name, value in unet.named_parameters()}
    sigmas = student_sigmas(config)

    def losses(step: int) -> Losses:
        drawn = generator(SEED, 1, step).choice(len(curves.stops), config.batch, replace=False)
        rows = torch.from_numpy(drawn).to(unet.device)
        wanted = curves.stops[rows].float()
        denoise = denoised(unet, factors.weights(own, torch.bfloat16), curves.contexts[rows].float())
        stops = student_stops(denoise, wanted[:, 0], sigmas)
        errors = torch.stack([(stop - wanted[:, n + 1]).square().mean((1, 2, 3)) for n, stop in enumerate(stops)])
        far = ((errors + SOFT**2).sqrt() - SOFT).mean(1)
        return {"loss": far[-1] + config.between * far[:-1].sum(), "picture": errors[-1].mean().detach()}

    return losses


@torch.no_grad()
def student_latents(
    unet: UNet2DConditionModel, factors: Factors, contexts: torch.Tensor, noise: torch.Tensor, config: FewStepConfig
) -> torch.Tensor:
    """What the student draws: latents (n, 4, side, side)."""
    own = {name: value.detach() for name, value in unet.named_parameters()}
    denoise = denoised(unet, factors.weights(own, torch.bfloat16), contexts)
    return student_stops(denoise, noise, student_sigmas(config))[-1]


def facts(config: FewStepConfig, step_words: str) -> dict[str, str]:
    """What the file says of itself, in the words of modelspec and kohya."""
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.title": f"Starter in {config.steps} steps",
        "modelspec.description": f"Distilled from Easel's starter under guidance {SCALE}; {step_words}.",
        "modelspec.usage_hint": f"sampler {SAMPLER}, schedule {SCHEDULE}, {config.steps} steps, guidance scale 1",
        "modelspec.license": "as the starter's",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(config.rank),
        "ss_network_alpha": str(config.rank),
        "ss_base_model_version": "sd_v1",
    }


def distil(
    tokenizer: CLIPTokenizer,
    towers: Towers,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
    subjects: Sequence[Subject],
    config: FewStepConfig,
    plan: Plan,
    folder: Path,
) -> Factors:
    """Trains (or goes on training) the LoRA in `folder` and writes it there as FILE."""
    unet.requires_grad_(False).to(memory_format=torch.channels_last)
    if unet.device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # quicker backwards at these sizes than torch's fused attention
    curves = make_curves(unet, towers, tokenizer, subjects, config, folder / "curves")
    factors = Factors(unet, config.rank, SEED).to(unet.device)
    noise = starting_noise(range(UNSEEN_SEED, UNSEEN_SEED + len(SHEET_PROMPTS)), curves.stops.shape[-1]).to(unet.device)
    contexts = encode_text(towers, tokenizer, SHEET_PROMPTS)
    empty = encode_text(towers, tokenizer, [""])
    wanted = teacher_curve(guided(unet, contexts, empty, SCALE), noise, config)[:, -1]

    @torch.no_grad()
    def sheet(step: int) -> None:
        drawn = student_latents(unet, factors, contexts, noise, config)
        taught, own = (autoencoder.decode(x).sample.clamp(-1, 1) for x in (wanted, drawn))
        error = ((taught - own) / 2).square().mean((1, 2, 3))
        print(
            f"step {step}: unseen pictures {float((-10 * error.log10()).median()):.2f} dB from the teacher's",
            flush=True,
        )
        both = torch.cat([torch.cat(part) for part in zip(taught.split(8), own.split(8), strict=True)])
        words = [SHEET_PROMPTS[n : n + 8] for n in range(0, len(SHEET_PROMPTS), 8)]
        write_sheet(folder / "sheet.png", both, [word for part in words for word in (*part, *part)])
        told = facts(config, f"{step} steps of {config.batch} curves, out of {config.pictures}")
        factors.save(folder / FILE, told, config.megabytes)

    train(factors, make_losses(unet, factors, curves, config), plan, folder, sheet)
    return factors
