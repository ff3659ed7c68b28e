"""Stable Diffusion XL: two CLIP text encoders, one pooled vector, a larger U-Net; and its refiner.

Podell et al. 2023, arXiv:2307.01952. Base, inpainting and refiner; epsilon and v prediction, with or without zero
terminal SNR. How prompts are read is A1111's: both encoders give their last layer but one whatever "Clip skip" says,
each weighs its own words, and an empty negative prompt is zeros.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
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
from easel.models.words.text import Encoded, TextEncoder, last_but_one, load_text_encoder
from easel.models.words.vectors import named
from easel.sampling.prediction import prediction

AESTHETIC, AESTHETIC_AWAY = 6.0, 2.5  # the refiner's score of what to lead to, and of what to lead away from


@dataclass(frozen=True, slots=True, eq=False)
class StableDiffusionXL(UNetModel):
    """A loaded base or inpainting checkpoint; see models/family.py for the contract."""

    text: TextEncoder
    text_2: TextEncoder

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks by diffusers' names of their folders."""
        towers = {"text_encoder": self.text.model, "text_encoder_2": self.text_2.model}
        return {"unet": self.unet, **towers, **self.autoencoders}

    def key(self, verb: str) -> Hashable:
        """Return who performs a verb."""
        owners = {"encode": (id(self.text), id(self.text_2)), "predict": id(self.unet)}
        return owners[verb] if verb in owners else self.autoencoder_key(verb)

    def encode(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text: context (77 * chunks, 2048), and the second encoder's pooled (1280,)."""
        meant = named(texts, [self.text.width, self.text_2.width], self.machine)
        encoded = (encoder.encode(texts, meant, self.parts) for encoder in (self.text, self.text_2))
        found = zip(*encoded, texts, strict=True)
        return [conditioning(torch.cat([one.context, two.context], -1), two, text) for one, two, text in found]

    def predict(self, rows: Rows) -> Tensor:
        """Return the denoised latent of each row, (n, 4, height, width) float32 on the processor.

        The U-Net is told that its picture was made at the size at which it is drawn, and not cropped.
        """
        sizes = size_of(rows, self.latent.downscale)
        return self.denoised(rows, added_to(rows, torch.cat([sizes, sizes[:, :2]], 1), self.machine))


@dataclass(frozen=True, slots=True, eq=False)
class Refiner(UNetModel):
    """A loaded refiner, which reads its text by the second encoder alone and is told how good the picture is."""

    text: TextEncoder

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks by diffusers' names of their folders."""
        return {"unet": self.unet, "text_encoder_2": self.text.model, **self.autoencoders}

    def key(self, verb: str) -> Hashable:
        """Return who performs a verb."""
        owners = {"encode": id(self.text), "predict": id(self.unet)}
        return owners[verb] if verb in owners else self.autoencoder_key(verb)

    def encode(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text: context (77 * chunks, 1280), pooled (1280,), and the score as "aesthetic"."""
        encoded = self.text.encode(texts, named(texts, [self.text.width], self.machine), self.parts)
        found = [conditioning(one.context, one, text) for one, text in zip(encoded, texts, strict=True)]
        scores = [torch.tensor(AESTHETIC_AWAY if text.away else AESTHETIC) for text in texts]
        return [
            Conditioning(one.context, {**one.extra, "aesthetic": score})
            for one, score in zip(found, scores, strict=True)
        ]

    def predict(self, rows: Rows) -> Tensor:
        """Return the denoised latent of each row, (n, 4, height, width) float32 on the processor."""
        sizes = size_of(rows, self.latent.downscale)
        return self.denoised(
            rows, added_to(rows, torch.cat([sizes, rows.extra["aesthetic"][:, None]], 1), self.machine)
        )


def conditioning(context: Tensor, pooled: Encoded, text: Text) -> Conditioning:
    """Return a conditioning; zeros for an empty text to lead away from."""
    if text.away and not text.text:
        return Conditioning(torch.zeros_like(context), {"pooled": torch.zeros_like(pooled.pooled)})
    return Conditioning(context, {"pooled": pooled.pooled})


def size_of(rows: Rows, downscale: int) -> Tensor:
    """Return for each row its picture's height and width in pixels and where it was cropped, at 0 and 0; (n, 4)."""
    height, width = (float(side * downscale) for side in rows.x.shape[-2:])
    return torch.tensor([[height, width, 0.0, 0.0]]).expand(len(rows), 4)


def added_to(rows: Rows, numbers: Tensor, machine: Machine) -> dict[str, Tensor]:
    """Return what the U-Net is told beside time and text, by diffusers' names. numbers: of the picture, (n, 5 or 6)."""
    return {"text_embeds": rows.extra["pooled"].to(machine.dtype), "time_ids": numbers.to(torch.float32)}


def load(identity: Identity, source: Source, machine: Machine) -> StableDiffusionXL | Refiner:
    """Return the model of a source. Raises ModelError naming the file."""
    refines = identity.variant == "refiner"
    check_parts(source)
    half = loaded_half(
        identity,
        source,
        machine,
        usual=Defaults(1024, 1024, steps=30, scale=6.0),
        levels=levels_of(source.schedule, "sdxl"),
    )
    half |= {"prediction": prediction(identity.prediction), "unet": load_unet(source, machine)}
    second = load_text_encoder(source, machine, last_but_one, "text_encoder_2", projects=True)
    if refines:
        return Refiner(**half, text=second)
    return StableDiffusionXL(**half, text=load_text_encoder(source, machine, last_but_one), text_2=second)
