"""Flux.1: T5 for the text, CLIP for one pooled vector, a rectified flow transformer, an autoencoder of 16 channels.

Black Forest Labs 2024. "dev", into which guidance is distilled, and "schnell", which draws in four steps. Latents stand
as (n, 16, height, width) everywhere; that the transformer reads them in patches of 2x2 is seen here alone.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from easel.core.work import Rows, Text
from easel.models.accelerate import Machine
from easel.models.building import check_parts, network
from easel.models.family import Defaults
from easel.models.latent import LatentModel, loaded_half
from easel.models.layouts.identify import Identity
from easel.models.layouts.sources import Source
from easel.models.words.conditioning import Conditioning
from easel.models.words.t5 import T5Encoder, load_t5
from easel.models.words.text import TextEncoder, last_but_one, load_text_encoder
from easel.models.words.vectors import named
from easel.sampling.levels import Levels
from easel.sampling.prediction import FLOW

if TYPE_CHECKING:
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

SIDE = 1024  # pixels; its usual size
PATCH = 2  # latent cells along a side of a patch
TOKENS, FEW_TOKENS = 512, 256  # of text; what dev and schnell were trained on


@dataclass(frozen=True, slots=True)
class Shifts:
    """How far the noise levels lean to noise: more for larger pictures, by a line through two numbers of patches."""

    low: float = 0.5
    high: float = 1.15
    fewest: int = 256
    most: int = 4096

    def at(self, patches: int) -> float:
        """Return the shift for a picture of so many patches, as published: exp(mu), mu linear in their number."""
        slope = (self.high - self.low) / (self.most - self.fewest)
        return math.exp(self.low + slope * (patches - self.fewest))


@dataclass(frozen=True, slots=True, eq=False)
class Flux(LatentModel):
    """A loaded Flux.1; see models/family.py for the contract.

    shifts: how its levels depend on the size; None where they do not.
    """

    shifts: Shifts | None
    text: TextEncoder
    t5: T5Encoder
    transformer: FluxTransformer2DModel

    @property
    def distilled(self) -> bool:
        """Whether the transformer is told a guidance scale."""
        return bool(cast(Any, self.transformer.config).guidance_embeds)

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks by diffusers' names of their folders."""
        towers = {"text_encoder": self.text.model, "text_encoder_2": self.t5.model}
        return {"transformer": self.transformer, **towers, **self.autoencoders}

    def key(self, verb: str) -> Hashable:
        """Return who performs a verb."""
        owners = {"encode": (id(self.text), id(self.t5)), "predict": id(self.transformer)}
        return owners[verb] if verb in owners else self.autoencoder_key(verb)

    def levels_at(self, width: int, height: int) -> Levels:
        """Return the noise levels for pictures of this size in pixels."""
        if self.shifts is None:
            return self.levels
        side = PATCH * self.latent.downscale
        return Levels.from_flow(shift=self.shifts.at((width // side) * (height // side)))

    def encode(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text: T5's states, (512 or 256 and multiples, 4096), and CLIP's pooled (768,)."""
        clips = self.text.encode(texts, named(texts, [self.text.width], self.machine), self.parts)
        found = zip(self.t5.encode(texts, self.parts), clips, strict=True)
        return [Conditioning(states, {"pooled": clip.pooled}) for states, clip in found]

    def predict(self, rows: Rows) -> Tensor:
        """Return the denoised latent of each row, (n, 16, height, width) float32 on the processor; even sides."""
        dtype = self.machine.dtype
        height, width = (side // PATCH for side in rows.x.shape[-2:])
        read = {
            "hidden_states": packed(rows.x).to(dtype),
            "timestep": rows.sigma.to(torch.float32),
            "pooled_projections": rows.extra["pooled"].to(dtype),
            "encoder_hidden_states": rows.context.to(dtype),
        }
        if self.distilled:
            read["guidance"] = rows.extra["distilled"].to(torch.float32)
        read |= {name: value.to(dtype) for name, value in rows.told.items()}
        where = {"txt_ids": torch.zeros(rows.context.shape[1], 3), "img_ids": places(height, width)}
        with (
            self.machine.using(self.transformer),
            self.machine.wearing(self.parts, "transformer", rows.networks, rows.left),
        ):
            output = self.machine.denoised(self.transformer, read, where)
        return FLOW.denoised(unpacked(output, height, width), rows.x, rows.sigma)


def packed(x: Tensor) -> Tensor:
    """Return latents (n, c, 2 h, 2 w) as patches (n, h w, 4 c)."""
    return x.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH)).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpacked(patches: Tensor, height: int, width: int) -> Tensor:
    """Return patches (n, height width, 4 c) as latents (n, c, 2 height, 2 width)."""
    x = patches.unflatten(2, (-1, PATCH, PATCH)).unflatten(1, (height, width))
    return x.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def places(height: int, width: int) -> Tensor:
    """Return where each patch stands, (height width, 3): 0, its row, its column."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.zeros_like(row), row, column], -1).flatten(0, 1).float()


def shifts_of(schedule: Mapping[str, Any]) -> Shifts | None:
    """Return the shifts that a diffusers scheduler config describes; None where it has one for all sizes."""
    if not schedule.get("use_dynamic_shifting"):
        return None
    names = {"low": "base_shift", "high": "max_shift", "fewest": "base_image_seq_len", "most": "max_image_seq_len"}
    return Shifts(**{ours: schedule[theirs] for ours, theirs in names.items() if theirs in schedule})


def load(identity: Identity, source: Source, machine: Machine) -> Flux:
    """Return the model of a source. Raises ModelError naming the file."""
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    check_parts(source)
    distilled = bool(source.config("transformer").get("guidance_embeds"))
    shifts = shifts_of(source.schedule)
    shift = float(source.schedule.get("shift", 1.0))
    half = loaded_half(
        identity,
        source,
        machine,
        usual=Defaults(SIDE, SIDE, steps=20 if distilled else 4, sampler="Euler", schedule="Simple", scale=1.0),
        levels=Levels.from_flow(shift=shift if shifts is None else shifts.at((SIDE // 16) ** 2)),
        multiple=8 * PATCH,
    )
    t5 = load_t5(source, machine, "text_encoder_2", TOKENS if distilled else FEW_TOKENS)
    text = load_text_encoder(source, machine, last_but_one)
    transformer: Any = network(source, "transformer", FluxTransformer2DModel, machine)
    return Flux(**half, shifts=shifts, text=text, t5=t5, transformer=transformer)
