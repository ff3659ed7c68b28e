"""ControlNets of Stable Diffusion 3 and 3.5: what they give is added to the picture's tokens between blocks.

InstantX's, alimama's for inpainting, and Stability's own of 3.5, which read no words. The hint is a picture's latent.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.adapters.control.fitting import check_words, denoiser_of, misfit
from easel.adapters.control.prepared import Hint, Prepared, factors_of, led_of, spread
from easel.adapters.control.unets import chosen
from easel.core.errors import Unsupported
from easel.core.work import Act, EncodeImages, Finish, Rows, Work
from easel.models.accelerate import Machine


@dataclass(frozen=True, slots=True, eq=False)
class SD3Control:
    """A ControlNet of Stable Diffusion 3. net: diffusers', without what embeds the hint; embedder: that."""

    name: str
    hash: str
    machine: Machine
    net: Any
    embedder: nn.Module

    @property
    def union(self) -> bool:
        """Whether it is told for what it takes a hint."""
        return False

    def fitted(self, model: Any) -> SD3Control:
        """Return this control model for a model. Raises Mismatch where it does not fit."""
        transformer = denoiser_of(self.name, model, "transformer", "SD3Transformer2DModel")
        mine, theirs = self.net.config, transformer.config
        if mine.joint_attention_dim is not None:
            check_words(self.name, model, mine.joint_attention_dim, theirs.joint_attention_dim)
        widths = [one.num_attention_heads * one.attention_head_dim for one in (mine, theirs)]
        if widths[0] != widths[1]:
            raise misfit(self.name, model, f"its blocks are {widths[0]} wide, and the model's {widths[1]}")
        return self

    @property
    def paints(self) -> bool:
        """Whether it is for inpainting, and reads where a picture has a hole beside its latent."""
        return int(self.net.config.extra_conditioning_channels) > 0

    def prepare(self, model: Any, hint: Hint) -> Generator[Work, Any, Prepared]:
        """Ask for the hint's latent and its embedding. Raises Unsupported for inpainting without a mask."""
        if self.paints and hint.hole is None:
            raise Unsupported(f"control model {self.name!r} is for inpainting; choose the preprocessor inpaint.")
        pixels = hint.pixels if hint.hole is None else torch.where(hint.hole > 0.5, 0.0, hint.pixels)
        latents = yield EncodeImages(model, pixels, hint.alone)
        if self.net.config.force_zeros_for_pooled_projection and not self.paints:
            latents = latents + model.scale.shift * model.scale.factor  # InstantX's were trained without the shift
        if self.paints and hint.hole is not None:
            latents = torch.cat([latents, 1 - F.interpolate(hint.hole, size=latents.shape[-2:])], 1)
        factors = factors_of(hint, len(self.net.controlnet_blocks))
        embedded = yield Finish(partial(self.embedded, latents))
        return Prepared((embedded[0],), factors, hint.region)

    def embedded(self, latents: Tensor) -> Tensor:
        """Return the embedding (1, tokens, width) of latents, on the device."""
        with self.machine.using(self.embedder):
            return self.embedder(latents.to(self.machine.device, self.machine.dtype))

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Give what is added behind each block of the transformer, (n, tokens, width)."""
        led, own = led_of(acts)
        hints = torch.stack([act.prepared.embedded[0] for act in own])
        read = self.read(model, chosen(rows, led))
        with self.machine.using(self.net):
            (samples,) = self.net(**read, controlnet_cond=hints, return_dict=False)
        patch = model.transformer.config.patch_size
        grid = (rows.x.shape[-2] // patch, rows.x.shape[-1] // patch)
        samples = spread(samples, own, led, len(rows), grid)
        blocks = len(model.transformer.transformer_blocks)
        yield {
            f"block_controlnet_hidden_states.{block}": samples[block * len(samples) // blocks]
            for block in range(blocks)
        }

    def read(self, model: Any, rows: Rows) -> dict[str, Any]:
        """Return what the net reads of rows, as the transformer itself reads them."""
        device, dtype, config = self.machine.device, self.machine.dtype, self.net.config
        states, pooled = rows.x.to(device, dtype), rows.extra["pooled"].to(device, dtype)
        if self.net.pos_embed is None:  # Stability's take the model's own
            with self.machine.using(model.transformer):
                states = model.transformer.pos_embed(states)
        zeros = config.force_zeros_for_pooled_projection and not self.paints
        return {
            "hidden_states": states,
            "timestep": model.levels.timestep(rows.sigma).to(device, torch.float32),
            "encoder_hidden_states": None if self.net.context_embedder is None else rows.context.to(device, dtype),
            "pooled_projections": torch.zeros_like(pooled) if zeros else pooled,
        }


def made(name: str, digits: str, machine: Machine, net: Any) -> SD3Control:
    """Return the control model of a net with its weights, what embeds the hint taken out of it."""
    embedder = net.pos_embed_input
    net.pos_embed_input = nn.Identity()
    return SD3Control(name, digits, machine, net, embedder)
