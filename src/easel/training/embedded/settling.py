"""From the half stage's U-Net to the whole one: a level grown outside, which then learns alone to serve those inside.

A latent x = a z + s eps, made half as large by averages, is a z' + (s / 2) eps': a latent of half the size at less
noise. So the inner levels go on hearing of the time that they know this noise by, and the outer level learns to hand
them what they are used to see, and to draw from what they answer; they themselves stand still meanwhile. Only then is
everything trained together. Does not know what the inner levels have learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from easel.training.embedded.growing import begin_with, moved_inwards
from easel.training.embedded.half import SHRINK
from easel.training.embedded.practising import Batch, make_batches
from easel.training.embedded.workshop import STATE, Workshop
from easel.training.learning.loop import Losses, Plan, learning_rate, progress, train
from easel.training.learning.objectives import alpha_bars
from easel.training.networks.towers import Towers
from easel.training.networks.unet import BETA_END, BETA_START, STEPS

RETIMING = Plan(steps=1000, warmup=20, learning_rate=1e-2)


def quieter(t: torch.Tensor, shrink: int = SHRINK) -> torch.Tensor:
    """The times (B,) float at which noise is `shrink` times weaker beside the data than at `t` (B,); 0 at least."""
    alpha_bar = alpha_bars(STEPS, BETA_START, BETA_END).double()
    sigmas = ((1 - alpha_bar) / alpha_bar).sqrt().log().numpy()
    wanted = sigmas[t.cpu().long().numpy()] - np.log(shrink)
    return torch.from_numpy(np.interp(wanted, sigmas, np.arange(STEPS))).to(t.device, torch.float32)


def shrunk(x: torch.Tensor, t: torch.Tensor, shrink: int = SHRINK) -> torch.Tensor:
    """Noised latents x (B, 4, H, W) at times t (B,) as those of a smaller picture at `quieter(t)`, of the same norm."""
    alpha_bar = alpha_bars(STEPS, BETA_START, BETA_END).to(x.device)[t].view(-1, 1, 1, 1)
    return F.avg_pool2d(x, shrink) / (alpha_bar + (1 - alpha_bar) / shrink**2).sqrt()


def heard(unet: UNet2DConditionModel, t: torch.Tensor) -> torch.Tensor:
    """What every block is given of times t (n,): (n, width), after the activation that blocks begin with."""
    return F.silu(unet.time_embedding(unet.time_proj(t)))


def retimed(unet: UNet2DConditionModel, small: UNet2DConditionModel, plan: Plan = RETIMING) -> None:
    """Teaches what is heard of time: the blocks inside hear at each time what the small U-Net's hear at the quieter.

    A few numbers are fitted to all times at once, which takes seconds. Solved for exactly, with the embedding as it
    stands, weights would become ten times larger than usual, and any small step of training disturb everything inside.
    """
    times = torch.arange(STEPS, device=unet.device)
    blocks, theirs = dict(unet.named_modules()), heard(small, quieter(times)).detach()
    pairs: list[tuple[nn.Linear, torch.Tensor]] = []
    for name, block in small.named_modules():
        if isinstance(block, ResnetBlock2D):
            projection = cast(nn.Linear, blocks[inside(name)].time_emb_proj)
            pairs.append((projection, cast(nn.Linear, block.time_emb_proj)(theirs).detach()))
    learned = [*unet.time_embedding.parameters(), *(p for projection, _ in pairs for p in projection.parameters())]
    optimizer = torch.optim.Adam(learned)
    for step in range(plan.steps or 0):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(plan, step, progress(plan, step, 0))
        mine = heard(unet, times)
        apart = [(projection(mine) - wanted).square().mean() / wanted.var() for projection, wanted in pairs]
        optimizer.zero_grad()
        torch.stack(apart).sum().backward()
        optimizer.step()


def inside(name: str) -> str:
    """The name that a part of the small U-Net has within the whole one."""
    return next(iter(moved_inwards({f"{name}.": torch.empty(0)}, 1))).removesuffix(".")


def hold(unet: UNet2DConditionModel, small: UNet2DConditionModel) -> None:
    """Lets only those of the parameters learn that the small U-Net does not have, and not what is heard of time."""
    known = {inside(name): value.shape for name, value in small.state_dict().items()}
    for name, parameter in unet.named_parameters():
        fits = known.get(name) == parameter.shape or (name in known and "time_emb" in name)
        parameter.requires_grad_(name.startswith("conv_") or not fits)


def seams(unet: UNet2DConditionModel, small: UNet2DConditionModel) -> list[tuple[nn.Module, nn.Module]]:
    """The blocks behind which both should say the same: the first inside on the way down, the last on the way up."""
    first, its_first = layers_of(unet.down_blocks[1]), layers_of(small.down_blocks[0])
    last, its_last = layers_of(unet.up_blocks[-2]), layers_of(small.up_blocks[-1])
    return [(first[0], its_first[0]), (last[-1], its_last[-1])]


def layers_of(block: nn.Module) -> nn.ModuleList:
    """The residual layers of a U-Net's block."""
    return cast(nn.ModuleList, block.resnets)


@contextmanager
def overheard(modules: list[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """What modules give during a forward, in the order in which they are called."""
    given: list[torch.Tensor] = []
    hooks = [module.register_forward_hook(lambda _, __, out: given.append(out)) for module in modules]
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()


def make_losses(
    shop: Workshop, unet: UNet2DConditionModel, small: UNet2DConditionModel, batches: Callable[[int], Batch]
) -> Callable[[int], Losses]:
    """The usual loss, and how far the seams are apart (1: as far as the mean)."""
    pairs = seams(unet, small)

    def losses(step: int) -> Losses:
        batch = batches(step)
        noised = batch.noised
        with torch.autocast(shop.device.type, torch.bfloat16):
            with torch.no_grad(), overheard([theirs for _, theirs in pairs]) as wanted:
                small(shrunk(noised.x, noised.t), quieter(noised.t), batch.context)
            with overheard([mine for mine, _ in pairs]) as found:
                v = unet(noised.x, noised.t, batch.context, return_dict=False)[0]
        apart = [(a.float() - b.float()).square().mean() / b.float().var() for a, b in zip(found, wanted, strict=True)]
        own = noised.losses(v)
        return own | {"loss": own["loss"] + sum(apart), "down": apart[0].detach(), "up": apart[1].detach()}

    return losses


def settled(
    shop: Workshop, unet: UNet2DConditionModel, small: UNet2DConditionModel, towers: Towers, autoencoder: AutoencoderKL
) -> UNet2DConditionModel:
    """The whole U-Net with the small one inside it, once its outer level has learned to serve it."""
    folder = shop.out / "settling"
    if not (folder / STATE).is_file():  # whose weights have it all
        begin_with(unet, small.state_dict())
        retimed(unet, small)
    hold(unet, small)
    losses = make_losses(shop, unet, small, make_batches(shop, towers, autoencoder))
    train(unet, losses, shop.recipe.settling_plan, folder)
    return unet.requires_grad_(True)
