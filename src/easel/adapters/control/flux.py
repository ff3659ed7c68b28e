"""ControlNets of Flux.1, InstantX's with their unions and XLabs': what they give is added between blocks.

InstantX's read a picture's latent, XLabs' its pixels. What a control model gives is told for each of the transformer's
blocks, so that those of several control models add up.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from easel.adapters.control.fitting import check_words, denoiser_of, misfit
from easel.adapters.control.kinds import FLUX, number_of
from easel.adapters.control.prepared import Hint, Prepared, factors_of, led_of, spread
from easel.adapters.control.unets import chosen
from easel.core.work import Act, EncodeImages, Finish, Rows, Work
from easel.models.accelerate import Machine
from easel.models.flux import PATCH, packed, places


class PixelEmbedder(nn.Module):
    """What XLabs' embed a hint by: convolutions over its pixels, then patches as of a latent."""

    def __init__(self, block: nn.Module, embedder: nn.Module) -> None:
        super().__init__()
        self.block, self.embedder = block, embedder

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (n, patches, width) of pixels (n, 3, height, width)."""
        return self.embedder(packed(self.block(pixels)))


@dataclass(frozen=True, slots=True, eq=False)
class FluxControl:
    """A ControlNet of Flux. net: diffusers', without what embeds the hint; embedder: that.

    repeats: whether what it gives is given again and again along the blocks (XLabs'), or stretched over them.
    """

    name: str
    hash: str
    machine: Machine
    net: Any
    embedder: nn.Module
    repeats: bool = False

    @property
    def union(self) -> bool:
        """Whether it is told for what it takes a hint."""
        return bool(self.net.union)

    def fitted(self, model: Any) -> FluxControl:
        """Return this control model for a model. Raises Mismatch where it does not fit."""
        transformer = denoiser_of(self.name, model, "transformer", "FluxTransformer2DModel")
        mine, theirs = self.net.config, transformer.config
        check_words(self.name, model, mine.joint_attention_dim, theirs.joint_attention_dim)
        widths = [one.num_attention_heads * one.attention_head_dim for one in (mine, theirs)]
        if widths[0] != widths[1]:
            raise misfit(self.name, model, f"its blocks are {widths[0]} wide, and the model's {widths[1]}")
        if mine.guidance_embeds and not theirs.guidance_embeds:
            raise misfit(self.name, model, "it reads a distilled guidance scale, which this model has not")
        return self

    def prepare(self, model: Any, hint: Hint) -> Generator[Work, Any, Prepared]:
        """Ask for the hint's latent and its embedding. Raises BadValue."""
        mode = number_of(hint.kind, FLUX, self.net.config.num_mode, hint.place) if self.union else 0
        factors = factors_of(hint, len(self.net.controlnet_blocks) + len(self.net.controlnet_single_blocks))
        read = hint.pixels * 2 - 1  # XLabs' read pixels as autoencoders are shown them
        if not self.repeats:
            latents = yield EncodeImages(model, hint.pixels, hint.alone)
            read = packed(latents)
        embedded = yield Finish(partial(self.embedded, read))
        return Prepared((embedded[0],), factors, hint.region, mode)

    def embedded(self, read: Tensor) -> Tensor:
        """Return the embedding (1, patches, width) of patches of a latent, or of pixels, on the device."""
        with self.machine.using(self.embedder):
            return self.embedder(read.to(self.machine.device, self.machine.dtype))

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Give what is added behind each block of the transformer, (n, patches, width)."""
        led, own = led_of(acts)
        hints = torch.stack([act.prepared.embedded[0] for act in own])
        height, width = (side // PATCH for side in rows.x.shape[-2:])
        modes = torch.tensor([[act.prepared.mode] for act in own], device=hints.device)
        with self.machine.using(self.net):
            double, single = self.net(
                **self.read(chosen(rows, led), height, width),
                controlnet_cond=hints,
                controlnet_mode=modes if self.union else None,
                return_dict=False,
            )
        samples = spread([*(double or ()), *(single or ())], own, led, len(rows), (height, width))
        count = len(double or ())
        transformer = model.transformer
        yield {
            **self.over("controlnet_block_samples", samples[:count], len(transformer.transformer_blocks)),
            **self.over("controlnet_single_block_samples", samples[count:], len(transformer.single_transformer_blocks)),
        }

    def over(self, name: str, samples: Sequence[Tensor], blocks: int) -> dict[str, Tensor]:
        """Return samples by name for each of `blocks` blocks."""
        if not samples:
            return {}
        each = -(-blocks // len(samples))
        return {
            f"{name}.{block}": samples[block % len(samples) if self.repeats else block // each]
            for block in range(blocks)
        }

    def read(self, rows: Rows, height: int, width: int) -> dict[str, Any]:
        """Return what the net reads of rows, as the transformer itself reads them. height, width: in patches."""
        device, dtype = self.machine.device, self.machine.dtype
        guided = self.net.config.guidance_embeds
        return {
            "hidden_states": packed(rows.x).to(device, dtype),
            "timestep": rows.sigma.to(device, torch.float32),
            "pooled_projections": rows.extra["pooled"].to(device, dtype),
            "encoder_hidden_states": rows.context.to(device, dtype),
            "guidance": rows.extra["distilled"].to(device, torch.float32) if guided else None,
            "txt_ids": torch.zeros(rows.context.shape[1], 3, device=device),
            "img_ids": places(height, width).to(device),
        }


def made(name: str, digits: str, machine: Machine, net: Any) -> FluxControl:
    """Return the control model of a net with its weights, what embeds the hint taken out of it."""
    embedder, repeats = net.controlnet_x_embedder, net.input_hint_block is not None
    if repeats:
        embedder = PixelEmbedder(net.input_hint_block, embedder)
        net.input_hint_block = None
    net.controlnet_x_embedder = nn.Identity()
    return FluxControl(name, digits, machine, net, embedder, repeats)
