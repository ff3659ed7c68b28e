"""Stable Diffusion 3 and 3.5: two CLIPs and T5 side by side, a transformer of text and picture, a rectified flow.

Esser et al. 2024, arXiv:2403.03206. T5 may be absent: its tokens are then zeros, as they were now and then in training.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.core.errors import BadValue
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
    from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

SHIFT = 3.0
TOKENS = 256  # that T5 gives


@dataclass(frozen=True, slots=True, eq=False)
class StableDiffusion3(LatentModel):
    """A loaded Stable Diffusion 3 or 3.5; see models/family.py for the contract. t5: None where it is absent."""

    text: TextEncoder
    text_2: TextEncoder
    t5: T5Encoder | None
    transformer: SD3Transformer2DModel

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks by diffusers' names of their folders."""
        towers: dict[str, nn.Module] = {"text_encoder": self.text.model, "text_encoder_2": self.text_2.model}
        if self.t5 is not None:
            towers["text_encoder_3"] = self.t5.model
        return {"transformer": self.transformer, **towers, **self.autoencoders}

    def key(self, verb: str) -> Hashable:
        """Return who performs a verb."""
        owners = {"encode": (id(self.text), id(self.text_2), id(self.t5)), "predict": id(self.transformer)}
        return owners[verb] if verb in owners else self.autoencoder_key(verb)

    def levels_at(self, width: int, height: int) -> Levels:
        """Return the noise levels, the same for every size. Raises BadValue for one beyond the known places."""
        config = cast(Any, self.transformer.config)
        most = config.pos_embed_max_size * config.patch_size * self.latent.downscale
        for name, side in (("width", width), ("height", height)):
            if side > most:
                raise BadValue(name, side, f"at most {most} for this model")
        return self.levels

    def encode(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text: the CLIPs' tokens and then T5's, (77 * chunks + 256, 4096), and "pooled".

        The CLIPs' states lie beside each other, with zeros up to T5's width; pooled is both of theirs, (2048,).
        """
        width = int(cast(Any, self.transformer.config).joint_attention_dim)
        far = [torch.zeros(TOKENS, width)] * len(texts) if self.t5 is None else self.t5.encode(texts, self.parts)
        meant = named(texts, [self.text.width, self.text_2.width], self.machine)
        encoded = (encoder.encode(texts, meant, self.parts) for encoder in (self.text, self.text_2))
        found = zip(*encoded, far, strict=True)
        return [
            Conditioning(
                torch.cat([widened(torch.cat([one.context, two.context], -1), width), states]),
                {"pooled": torch.cat([one.pooled, two.pooled])},
            )
            for one, two, states in found
        ]

    def predict(self, rows: Rows) -> Tensor:
        """Return the denoised latent of each row, (n, 16, height, width) float32 on the processor; even sides."""
        dtype = self.machine.dtype
        read = {
            "hidden_states": rows.x.to(dtype),
            "encoder_hidden_states": rows.context.to(dtype),
            "pooled_projections": rows.extra["pooled"].to(dtype),
            "timestep": self.levels.timestep(rows.sigma).to(torch.float32),
        }
        read |= {name: value.to(dtype) for name, value in rows.told.items()}
        with (
            self.machine.using(self.transformer),
            self.machine.wearing(self.parts, "transformer", rows.networks, rows.left),
        ):
            output = self.machine.denoised(self.transformer, read)
        return FLOW.denoised(output, rows.x, rows.sigma)


def widened(states: Tensor, width: int) -> Tensor:
    """Return states (tokens, less) with zeros up to `width`."""
    return F.pad(states, (0, width - states.shape[-1]))


def load(identity: Identity, source: Source, machine: Machine) -> StableDiffusion3:
    """Return the model of a source. Raises ModelError naming the file."""
    from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

    check_parts(source)
    half = loaded_half(
        identity,
        source,
        machine,
        usual=Defaults(1024, 1024, steps=28, sampler="Euler", schedule="Simple", scale=4.5),
        levels=Levels.from_flow(shift=float(source.schedule.get("shift", SHIFT))),
        multiple=8 * int(source.config("transformer").get("patch_size", 2)),
    )
    t5 = load_t5(source, machine, "text_encoder_3", TOKENS) if source.has("text_encoder_3") else None
    transformer: Any = network(source, "transformer", SD3Transformer2DModel, machine)
    return StableDiffusion3(
        **half,
        text=load_text_encoder(source, machine, last_but_one, projects=True),
        text_2=load_text_encoder(source, machine, last_but_one, "text_encoder_2", projects=True),
        t5=t5,
        transformer=transformer,
    )
