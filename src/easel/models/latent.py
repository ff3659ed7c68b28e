"""What every family of latent models has alike: a name, habits, noise levels, a machine, and an autoencoder.

A family adds who reads its text and who denoises. Knows neither.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from torch import Tensor, nn

from easel.core.errors import Mismatch
from easel.models.accelerate import Machine
from easel.models.autoencoder import Autoencoder, KLAutoencoder, Scale, load_autoencoder
from easel.models.building import habits
from easel.models.family import Defaults, LatentFormat
from easel.models.layouts.identify import Identity
from easel.models.layouts.makeup import roles_of
from easel.models.layouts.sources import Source
from easel.models.library.hashing import WeightsHash
from easel.sampling.levels import Levels
from easel.sampling.path import Path as NoisePath


@dataclass(frozen=True, slots=True, eq=False)
class LatentModel:
    """The half of a loaded checkpoint that does not depend on its family; see models/family.py for the contract.

    scale: how its denoiser reads latents. vae: decodes. encoder: encodes pictures; the same, save where a decoder alone
    took its place.
    """

    name: str
    defaults: Defaults
    latent: LatentFormat
    levels: Levels
    machine: Machine
    weights: WeightsHash
    scale: Scale
    vae: Autoencoder
    encoder: Autoencoder

    @property
    def hash(self) -> str:
        """The hash of the weights, ten hex digits; see models/library/hashing.py."""
        return self.weights.short

    @property
    def path(self) -> NoisePath:
        """The path that its noise levels are on."""
        return self.levels.path

    @property
    def inpaints(self) -> bool:
        """Whether its denoiser reads a mask and a masked picture."""
        return False

    @property
    def distilled(self) -> bool:
        """Whether guidance is distilled into its denoiser."""
        return False

    @property
    def autoencoders(self) -> Mapping[str, nn.Module]:
        """The networks of the autoencoders, by diffusers' names of their folders."""
        own = {"vae": self.vae.module}
        return own if self.encoder.module is self.vae.module else {**own, "vae_encoder": self.encoder.module}

    def autoencoder_key(self, verb: str) -> Hashable:
        """Return who encodes or decodes pictures."""
        return {"encode_images": self.encoder, "decode": self.vae}[verb].key

    def levels_at(self, width: int, height: int) -> Levels:
        """Return the noise levels, the same for every size."""
        return self.levels

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return latents as the denoiser reads them, (n, channels, height / 8, width / 8) float32 on the processor."""
        return self.encoder.encode_images(pixels)

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        """Return pixels (n, 3, 8 * height, 8 * width) float32 in 0..1 on the processor."""
        return self.vae.decode(latents, tile)

    def replaced(self, *, vae: Autoencoder) -> Self:
        """Return this model with another autoencoder; all else is shared, and so are the denoiser's forwards.

        One that only decodes leaves the encoding to that which is there. Raises Mismatch for latents of other shape.
        """
        if (vae.channels, vae.downscale) != (self.latent.channels, self.latent.downscale):
            raise Mismatch(
                f"this VAE has latents of {vae.channels} channels at 1/{vae.downscale} of the sides; "
                f"{self.name} needs {self.latent.channels} at 1/{self.latent.downscale}."
            )
        fitted = vae.scaled(self.scale)
        return replace(self, vae=fitted, encoder=fitted if vae.encodes else self.encoder)


def loaded_half(
    identity: Identity,
    source: Source,
    machine: Machine,
    *,
    usual: Defaults,
    levels: Levels,
    multiple: int = 8,
) -> dict[str, Any]:
    """Return the fields of LatentModel for a source, read from its files. Raises ModelError.

    usual: the family's habits. multiple: of which number of pixels sides must be multiples.
    """
    vae = load_autoencoder(source, machine)
    return {
        "name": identity.name,
        "defaults": habits(source, usual),
        "latent": LatentFormat(vae.channels, vae.downscale, multiple),
        "levels": levels,
        "machine": machine,
        "weights": WeightsHash(source.files),
        "scale": vae.scale if isinstance(vae, KLAutoencoder) else scale_of(source),
        "vae": vae,
        "encoder": vae,
    }


def scale_of(source: Source) -> Scale:
    """Return how a source's family reads latents, where its autoencoder is no KL autoencoder, which would say it."""
    told = roles_of(source.family, source.variant)["vae"].told
    return Scale(told["scaling_factor"], told["shift_factor"] or 0.0)
