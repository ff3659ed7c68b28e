"""The autoencoder stage: distance, the picture tower's features, and a patch discriminator (Esser et al. 2021).

Where there is time for it. Generator and discriminator learn in one step: each sees the other's weights as they are.
A latent made half as large should give the picture made half as large: then fine grain in it means fine grain, which is
easier to draw for the U-Net (Kouzelis et al. 2025, Skorokhodov et al. 2025).
Knows nothing of the base model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn
from torch.func import functional_call

from easel.training.embedded.growing import begin_from
from easel.training.embedded.speed import Pace, flops_of
from easel.training.embedded.workshop import SEED, STATE, Workshop, finished, numbers, trained_towers
from easel.training.learning.loop import Losses, progress, train
from easel.training.learning.sheet import write_sheet
from easel.training.networks.autoencoder import encode_mean, make_autoencoder, picture_losses, psnr
from easel.training.networks.towers import Towers, shrink
from easel.training.world.scenes import generator

NOISE_OVER = 2000.0  # steps in which the posterior reaches its width
ADVERSARY_FROM = 0.4  # share of the stage after which the discriminator is heard
PULL = 1e-4  # weight of the means' square
WHOLE_EVERY = 8  # steps, where crops are practised
LOOKS = 3  # places from which a crop's is chosen


class Discriminator(nn.Sequential):
    """Whether patches of 34 pixels are real, (B, 3, H, W) to (B, 1, H / 8, W / 8) (Isola et al. 2017)."""

    def __init__(self, width: int = 48) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for into, out in ((width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(into, out, 4, 2, 1, bias=False), nn.GroupNorm(8, out), nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Conv2d(4 * width, 1, 3, 1, 1))


class Pair(nn.Module):
    """An autoencoder and, where one is wanted, its discriminator, trained by one optimiser."""

    def __init__(self, autoencoder: AutoencoderKL, adversary: bool) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.discriminator = Discriminator() if adversary else None


def adversarial(discriminator: Discriminator, out: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What the generator is told and what the discriminator learns from (hinge, Lim and Ye 2017)."""
    asleep = {name: value.detach() for name, value in discriminator.state_dict(keep_vars=True).items()}
    told = -functional_call(discriminator, asleep, (out,)).mean()
    learnt = F.relu(1 - discriminator(real)).mean() + F.relu(1 + discriminator(out.detach())).mean()
    return told, learnt


def perceived(towers: Towers, out: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """The distance of pictures in the layers of the model's own picture tower."""
    side = towers.vision.config.image_size
    seen = [towers.vision(shrink(x, side), output_hidden_states=True).hidden_states for x in (out, real)]
    pairs = list(zip(*seen, strict=True))[1:]
    apart = [F.normalize(a, dim=-1) - F.normalize(b, dim=-1) for a, b in pairs]
    return torch.stack([difference.square().sum(-1).mean() for difference in apart]).mean()


def cropped(pictures: torch.Tensor, side: int, step: int) -> torch.Tensor:
    """A crop of each picture; whole pictures where `side` is 0, and the first of them alone now and then.

    Of a few places at random the one where most is to be seen, for plain ground teaches little. Norms and attention
    see other numbers in a crop than in a picture, so whole ones stay in practice.
    """
    if not side:
        return pictures
    if step % WHOLE_EVERY == 0:
        return pictures[:1]
    places = generator(SEED, 2, step).integers(0, pictures.shape[-1] - side + 1, (len(pictures), LOOKS, 2))
    found = [[x[:, row : row + side, column : column + side] for row, column in some]
             for x, some in zip(pictures, places, strict=True)]  # fmt: skip
    return torch.stack([max(some, key=lambda part: float(part.var((1, 2)).sum())) for some in found])


def make_losses(shop: Workshop, pair: Pair, towers: Towers | None, pace: Pace | None = None) -> Callable[[int], Losses]:
    """The loss as a function of the step."""
    recipe, device = shop.recipe, shop.device
    config, plan = recipe.autoencoder, recipe.autoencoder_plan
    autoencoder = pair.autoencoder
    parts: Any = autoencoder  # whose quantising layers this build always has
    encode = torch.compile(parts.encoder) if shop.fast else parts.encoder
    decode = torch.compile(parts.decoder) if shop.fast else parts.decoder

    def losses(step: int) -> Losses:
        rows = torch.from_numpy(generator(SEED, 3, step).integers(0, len(shop.deck), config.batch))
        pictures = cropped(shop.pictures(rows), recipe.crop, step).contiguous(memory_format=torch.channels_last)
        chance = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        with torch.autocast(device.type, torch.bfloat16):
            mean = parts.quant_conv(encode(pictures)).chunk(2, 1)[0]
            noise = torch.randn(mean.shape, generator=chance).to(device) * config.noise * min(1.0, step / NOISE_OVER)
            out = decode(parts.post_quant_conv(mean + noise)).float()
        found = picture_losses(out, pictures)
        loss = found["loss"] + PULL * mean.float().square().mean()
        if recipe.halved:
            with torch.autocast(device.type, torch.bfloat16):
                small = decode(parts.post_quant_conv(F.avg_pool2d(mean, 2))).float()
            smaller = picture_losses(small, F.avg_pool2d(pictures, 2))
            loss, found["half"] = loss + recipe.halved * smaller["loss"], smaller["psnr"]
        if towers is not None and recipe.perceived:
            with torch.autocast(device.type, torch.bfloat16):
                seen = perceived(towers, out, pictures).float()
            loss, found["seen"] = loss + recipe.perceived * seen, seen.detach()
        if pair.discriminator is not None:
            with torch.autocast(device.type, torch.bfloat16):
                told, learnt = adversarial(pair.discriminator, out, pictures)
            heard = recipe.adversary if plan.steps is None or progress(plan, step, 0) >= ADVERSARY_FROM else 0.0
            heard *= min(1.0, step / NOISE_OVER) if plan.steps is None else 1.0
            loss, found["real"] = loss + heard * told.float() + learnt.float(), learnt.detach()
        if pace is not None:
            pace.step()
        return found | {"loss": loss, "latent": mean.detach().float().square().mean().sqrt()}

    return losses


@torch.no_grad()
def measured(shop: Workshop, autoencoder: AutoencoderKL, count: int = 128) -> float:
    """Mean PSNR in dB over unseen pictures."""
    errors = []
    for rows in numbers(shop.unseen, count, 16):
        pictures = shop.pictures(rows, unseen=True)
        out = autoencoder.decode(encode_mean(autoencoder, pictures)).sample.clamp(-1, 1)
        errors.append((out - pictures).square().mean((1, 2, 3)))
    return float(psnr(torch.cat(errors)).mean())


def train_autoencoder(shop: Workshop) -> AutoencoderKL:
    """Trains (or goes on training) the autoencoder and returns it finished; begins from an exported one that fits."""
    torch.manual_seed(SEED)
    recipe, folder = shop.recipe, shop.out / "autoencoder"
    autoencoder = make_autoencoder(recipe.autoencoder, recipe.side).to(shop.device)
    if shop.start is not None and not (folder / STATE).is_file():
        begin_from(autoencoder, shop.start / "vae")
    pair = Pair(autoencoder, recipe.adversary > 0).to(shop.device)
    towers = trained_towers(shop).requires_grad_(False) if recipe.perceived else None
    side = recipe.crop or recipe.side
    one = torch.zeros(1, 3, side, side, device=shop.device)
    flops = flops_of(lambda: autoencoder.decode(encode_mean(autoencoder, one)))
    pace = Pace(shop.device, recipe.autoencoder.batch, flops * recipe.autoencoder.batch)

    def sheet(step: int) -> None:
        rows = torch.arange(min(16, len(shop.unseen)))
        pictures = shop.pictures(rows, unseen=True)
        out = autoencoder.decode(encode_mean(autoencoder, pictures)).sample
        write_sheet(folder / "sheet.png", torch.stack([pictures, out], 1).flatten(0, 1).cpu(), [""] * 2 * len(rows))
        print(f"autoencoder step {step}: {measured(shop, autoencoder, 64):.2f} dB; {pace.words}", flush=True)

    train(pair, make_losses(shop, pair, towers, pace), recipe.autoencoder_plan, folder, sheet)
    return finished(shop, autoencoder)
