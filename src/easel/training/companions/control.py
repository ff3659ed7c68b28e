"""The edges ControlNet: a copy of the U-Net's way down that sees a hint and leads the frozen U-Net's way up.

diffusers' own module (Zhang et al. 2023), a small eye for the hint, the base model's objective, practised mostly in
strong noise. So that the hint must be read, half the compositions stand elsewhere than their captions say, and captions
are dropped often. The U-Net gets no gradient of its own; as hints join it after its middle, nothing before needs one.
Does not know how the model was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTokenizer

from easel.media.hints import hint_of
from easel.training.companions.agreement import edge_agreement, white
from easel.training.companions.drawing import Network, drawn_pictures
from easel.training.companions.moved import draw_moved
from easel.training.companions.practice import Rows, decoded, encoded, kept_rows, noise_on, practised
from easel.training.learning.loop import Losses, Plan, train
from easel.training.learning.sheet import to_image, write_sheet
from easel.training.networks.blocks import swift
from easel.training.networks.export import save_half
from easel.training.networks.towers import Towers
from easel.training.networks.unet import encode_text
from easel.training.world.scenes import generator
from easel.training.world.source import UNSEEN_SEED, Source, said

SEED = 71
CHUNK = 128  # compositions in one kept file
FOLDER = "starter-edges"
STRENGTHS = (1.0, 1.2, 1.4, 1.6)  # how loud is tried: a mean is learned, which says it too softly
GOAL = 0.7  # of edge agreement; louder than it needs for that, colours and shades suffer


@dataclass(frozen=True)
class ControlConfig:
    """The eye's size and how the ControlNet is trained."""

    eye: tuple[int, ...] = (16, 32, 64, 96)  # channels at each halving of the hint
    pictures: int = 6144  # compositions that are practised
    batch: int = 16
    empty: float = 0.4  # share of dropped captions
    judged: int = 32  # unseen compositions of a figure
    steps: int = 20  # sampling steps of a figure


@dataclass(frozen=True)
class Trials:
    """Compositions to be drawn anew: their captions, contexts (n, 77, width), hints (n, H, W) and pictures."""

    captions: list[str]
    contexts: torch.Tensor
    hints: torch.Tensor
    pictures: torch.Tensor

    @property
    def seeds(self) -> list[int]:
        """A seed for each, from which it is drawn."""
        return [UNSEEN_SEED + number for number in range(len(self.captions))]


def edges_of(pictures: torch.Tensor) -> torch.Tensor:
    """Canny edges (B, H, W) uint8, 0 or 1, of pictures (B, 3, H, W) in -1..1."""
    hints = [white(hint_of(to_image(picture), "canny")) for picture in pictures]
    return torch.from_numpy(np.stack(hints)).to(torch.uint8)


def conditioning(hints: torch.Tensor) -> torch.Tensor:
    """Hints (B, H, W) of 0 and 1 as a ControlNet takes them: (B, 3, H, W) float32 in 0..1."""
    return hints[:, None].expand(-1, 3, -1, -1).float().contiguous(memory_format=torch.channels_last)


def make_controlnet(unet: UNet2DConditionModel, config: ControlConfig) -> ControlNetModel:
    """A ControlNet that begins as a copy of the U-Net and changes nothing, on the U-Net's device."""
    torch.manual_seed(SEED)
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=config.eye)
    # diffusers has zeros here too; as the ways out are zeros already, these would only keep the eye shut for longer
    nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.03)
    return swift(controlnet).to(unet.device, memory_format=torch.channels_last)


def make_rows(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    autoencoder: AutoencoderKL,
    source: Source,
    count: int,
    folder: Path,
) -> Rows:
    """Latents (n, 4, h, w), contexts (n, 77, width), float16, and hints (n, H, W) of compositions, kept on disk."""

    @torch.no_grad()
    def make(numbers: range) -> Rows:
        drawn = [(draw_moved if number % 4 > 1 else said)(source.subjects, SEED, number) for number in numbers]
        pictures = source.paint([scene for scene, _ in drawn])
        rows = encoded(towers, tokenizer, autoencoder, pictures, [words for _, words in drawn])
        # people take hints of drawn pictures too, so half the hints are of what comes back from the latents
        pictures[::2] = decoded(autoencoder, rows["latents"][::2])
        return {**rows, "hints": edges_of(pictures)}

    rows = kept_rows(folder, "edges", count, CHUNK, make)
    return {name: tensor.to(source.device) for name, tensor in rows.items()}


def make_trials(
    towers: Towers,
    tokenizer: CLIPTokenizer,
    source: Source,
    count: int,
    seed: int = UNSEEN_SEED,
) -> Trials:
    """Moved compositions, whose words alone do not tell their edges, of a stream; nothing practises the usual one."""
    drawn = [draw_moved(source.subjects, seed, number) for number in range(count)]
    pictures, captions = source.paint([scene for scene, _ in drawn]), [words for _, words in drawn]
    contexts = encode_text(towers, tokenizer, captions)
    return Trials(captions, contexts, edges_of(pictures).to(contexts.device), pictures)


def led(
    unet: UNet2DConditionModel,
    controlnet: ControlNetModel,
    context: torch.Tensor,
    hints: torch.Tensor,
    strength: float = 1.0,
) -> Network:
    """The U-Net as led by hints (B, 3, H, W), as a function of x and t: v (B, 4, h, w)."""

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        down, middle = controlnet(x, t, context, hints, conditioning_scale=strength, return_dict=False)
        return unet(
            x, t, context, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample  # fmt: skip

    return network


def make_losses(
    unet: UNet2DConditionModel, controlnet: ControlNetModel, rows: Rows, empty: torch.Tensor, config: ControlConfig
) -> Callable[[int], Losses]:
    """The loss as a function of the step; `empty` (1, 77, width) is the context of no words."""
    device = unet.device
    noiser = noise_on(device)

    def losses(step: int) -> Losses:
        rng = generator(SEED, 1, step)
        chosen, context = practised(rows, rng, config.batch, config.empty, empty)
        noised = noiser.noised(rows["latents"][chosen].float(), rng)
        with torch.autocast(device.type, torch.bfloat16):
            v = led(unet, controlnet, context, conditioning(rows["hints"][chosen]))(noised.x, noised.t)
        return noised.losses(v)

    return losses


def draw_trials(
    unet: UNet2DConditionModel,
    controlnet: ControlNetModel | None,
    autoencoder: AutoencoderKL,
    trials: Trials,
    empty: torch.Tensor,
    config: ControlConfig,
    strength: float = 1.0,
) -> torch.Tensor:
    """Pictures (n, 3, H, W) in -1..1 of the trials' captions, led by their hints, or by none without a ControlNet."""

    def network(part: slice) -> Network:
        words = trials.contexts[part]
        context = torch.cat([empty.expand_as(words), words])
        if controlnet is None:
            return lambda x, t: unet(x, t, context).sample
        return led(unet, controlnet, context, conditioning(trials.hints[part]).repeat(2, 1, 1, 1), strength)

    side = int(unet.config["sample_size"])
    return drawn_pictures(autoencoder, network, trials.seeds, side, config.steps)


def agreements(pictures: torch.Tensor, trials: Trials) -> list[float]:
    """The F1 of each picture's edges with its hint."""
    hints = (to_image(hint * 2.0 - 1) for hint in trials.hints[:, None].expand(-1, 3, -1, -1))
    return [edge_agreement(to_image(picture), hint) for picture, hint in zip(pictures, hints, strict=True)]


def mean(values: Sequence[float]) -> float:
    """The mean of some values."""
    return sum(values) / len(values)


@torch.no_grad()
def amplify(controlnet: ControlNetModel, strength: float) -> None:
    """Makes all that the ControlNet says `strength` times as loud."""
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        for parameter in layer.parameters():
            parameter.mul_(strength)


def least_strength(draw: Callable[[float], torch.Tensor], trials: Trials) -> float:
    """The least of STRENGTHS at which pictures agree with their hints by GOAL, else that at which they agree best.

    draw: draws the trials at a strength.
    """
    found: dict[float, float] = {}
    for strength in STRENGTHS:
        found[strength] = mean(agreements(draw(strength), trials))
        print(f"edge agreement of practised ones at strength {strength:g}: {found[strength]:.3f}", flush=True)
        if found[strength] >= GOAL:
            break
    return max(found, key=lambda strength: found[strength])


def train_control(
    tokenizer: CLIPTokenizer,
    towers: Towers,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
    source: Source,
    config: ControlConfig,
    plan: Plan,
    folder: Path,
) -> ControlNetModel:
    """Trains (or goes on training) the ControlNet in `folder` and writes it there as the folder FOLDER.

    Prints the mean F1 on unseen compositions, with it, without it, and of what the autoencoder makes of them itself. At
    last it is made as loud as GOAL needs on compositions of the practised stream; the checkpoint stays as learned.
    """
    unet.requires_grad_(False).to(memory_format=torch.channels_last)
    controlnet = make_controlnet(unet, config)
    if unet.device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # quicker backwards at these sizes than torch's fused attention
        controlnet.set_attn_processor(AttnProcessor())
    rows = make_rows(towers, tokenizer, autoencoder, source, config.pictures, folder / "rows")
    unseen = make_trials(towers, tokenizer, source, config.judged)
    empty = encode_text(towers, tokenizer, [""])
    plain = draw_trials(unet, None, autoencoder, unseen, empty, config)
    kept = decoded(autoencoder, encoded(towers, tokenizer, autoencoder, unseen.pictures, unseen.captions)["latents"])
    print(
        f"edge agreement without: {mean(agreements(plain, unseen)):.3f}, "
        f"of the autoencoder's own: {mean(agreements(kept, unseen)):.3f}",
        flush=True,
    )

    @torch.no_grad()
    def sheet(step: int) -> None:
        drawn = draw_trials(unet, controlnet, autoencoder, unseen, empty, config)
        found = agreements(drawn, unseen)
        words = f"step {step}" if step else "made louder"
        print(f"{words}: edge agreement {mean(found):.3f}, least {min(found):.3f}", flush=True)
        parts = (unseen.pictures, conditioning(unseen.hints) * 2 - 1, plain, drawn)
        rows_of = [torch.cat([part[n : n + 8] for part in parts]) for n in range(0, len(drawn), 8)]
        captions = [[*unseen.captions[n : n + 8]] * 4 for n in range(0, len(drawn), 8)]
        write_sheet(folder / "sheet.png", torch.cat(rows_of), [word for some in captions for word in some])
        save_half(ControlNetModel.from_config(controlnet.config), controlnet, folder / FOLDER)

    train(controlnet, make_losses(unet, controlnet, rows, empty, config), plan, folder, sheet)
    practised = make_trials(towers, tokenizer, source, config.judged, SEED)

    def draw(strength: float) -> torch.Tensor:
        return draw_trials(unet, controlnet, autoencoder, practised, empty, config, strength)

    amplify(controlnet, least_strength(draw, practised))
    sheet(0)
    return controlnet
