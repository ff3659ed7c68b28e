"""Stable Diffusion 1.x and 2.x: CLIP text encoder, U-Net with cross-attention, KL autoencoder.

Rombach et al. 2022, arXiv:2112.10752. Folders and single files; epsilon and v prediction.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from easel.core.work import Rows, Text
from easel.models.accelerate import Machine
from easel.models.building import check_parts
from easel.models.diffusion import UNetModel, levels_of, load_unet
from easel.models.family import Defaults
from easel.models.latent import loaded_half
from easel.models.layouts.identify import Identity
from easel.models.layouts.sources import Source
from easel.models.words.conditioning import Conditioning
from easel.models.words.text import TextEncoder, asked_layer, load_text_encoder
from easel.models.words.vectors import named
from easel.sampling.prediction import prediction


@dataclass(frozen=True, slots=True, eq=False)
class StableDiffusion(UNetModel):
    """One loaded checkpoint; see models/family.py for the contract."""

    text: TextEncoder

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks by diffusers' names of their folders."""
        return {"unet": self.unet, "text_encoder": self.text.model, **self.autoencoders}

    def key(self, verb: str) -> Hashable:
        """Return who performs a verb."""
        owner = {"encode": self.text, "predict": self.unet}.get(verb)
        return id(owner) if owner is not None else self.autoencoder_key(verb)

    def encode(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text, (77 * chunks, width) each."""
        found = self.text.encode(texts, named(texts, [self.text.width], self.machine), self.parts)
        return [Conditioning(one.context) for one in found]

    def predict(self, rows: Rows) -> Tensor:
        """Return the denoised latent of each row, (n, 4, height, width) float32 on the processor."""
        return self.denoised(rows)


def load(identity: Identity, source: Source, machine: Machine) -> StableDiffusion:
    """Return the model of a source. Raises ModelError naming the file, ResourceError for the device."""
    check_parts(source)
    unet = load_unet(source, machine)
    side = int(cast(Any, unet.config).sample_size) * 8
    half = loaded_half(
        identity,
        source,
        machine,
        usual=Defaults(side, side),
        levels=levels_of(source.schedule),
    )
    text = load_text_encoder(source, machine, asked_layer)
    return StableDiffusion(**half, prediction=prediction(identity.prediction), unet=unet, text=text)
