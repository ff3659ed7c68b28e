"""Stable Diffusion 1.x and 2.x: CLIP text encoder, U-Net with cross-attention, KL autoencoder.

Rombach et al. 2022, arXiv:2112.10752. Folders and single files; epsilon and v prediction.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from easel.core.errors import Mismatch
from easel.core.settings import Settings
from easel.core.work import Rows, Text
from easel.models.accelerate import Machine, machine_for
from easel.models.conditioning import Conditioning
from easel.models.family import Defaults, LatentFormat
from easel.models.hashing import WeightsHash
from easel.models.identify import Identity
from easel.models.sources import Source, source_of
from easel.models.text import TextEncoder, load_text_encoder
from easel.models.tiled import decode_tiled
from easel.models.weights import build
from easel.sampling.levels import Levels
from easel.sampling.path import VE
from easel.sampling.path import Path as NoisePath
from easel.sampling.prediction import Prediction, prediction

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel


@dataclass(frozen=True, slots=True, eq=False)
class StableDiffusion:
    """One loaded checkpoint; see models/family.py for the contract."""

    name: str
    defaults: Defaults
    latent: LatentFormat
    path: NoisePath
    levels: Levels
    prediction: Prediction
    machine: Machine
    weights: WeightsHash
    text: TextEncoder
    unet: UNet2DConditionModel
    vae: AutoencoderKL

    @property
    def hash(self) -> str:
        """The hash of the weights, ten hex digits; see models/hashing.py."""
        return self.weights.short

    @property
    def inpaints(self) -> bool:
        """Whether this is an inpainting checkpoint, whose U-Net reads 9 channels: latent, mask, masked latent."""
        return int(cast(Any, self.unet.config).in_channels) == 2 * self.latent.channels + 1

    @property
    def distilled(self) -> bool:
        """Guidance is not distilled into it."""
        return False

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks by diffusers' names of their folders."""
        return {"unet": self.unet, "vae": self.vae, "text_encoder": self.text.model}

    def key(self, verb: str) -> Hashable:
        """Return who performs a verb."""
        return id({"encode": self.text, "predict": self.unet}.get(verb, self.vae))

    def levels_at(self, width: int, height: int) -> Levels:
        """Return the noise levels, the same for every size."""
        return self.levels

    def encode(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text, (77 * chunks, width) each."""
        return [Conditioning(context) for context in self.text.encode(texts)]

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return the means of the latents, (n, 4, height / 8, width / 8) float32 on the processor, as the U-Net reads.

        Other tools draw from the distribution about the mean. Its spread is far below what a picture shows, and the
        mean gives the same picture the same latents whatever the seed.
        """
        config = cast(Any, self.vae.config)
        x = (pixels * 2 - 1).to(self.machine.device, self.vae.dtype).contiguous(memory_format=torch.channels_last)
        z = cast(Any, self.vae.encode(cast(Any, x), return_dict=False))[0].mode().to("cpu", torch.float32)
        return (z - (config.shift_factor or 0.0)) * config.scaling_factor

    def predict(self, rows: Rows) -> Tensor:
        """Return the denoised latent of each row, (n, 4, height, width) float32 on the processor."""
        device, dtype = self.machine.device, self.machine.dtype
        x = self.prediction.input(rows.x, rows.sigma).to(device, dtype)
        if "inpaint" in rows.extra:
            x = torch.cat([x, rows.extra["inpaint"].to(device, dtype)], 1)
        output: Tensor = self.unet(
            x.contiguous(memory_format=torch.channels_last),
            self.levels.timestep(rows.sigma).to(device, torch.float32),
            rows.context.to(device, dtype),
            return_dict=False,
        )[0]
        return self.prediction.denoised(output.to("cpu", torch.float32), rows.x, rows.sigma)

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        """Return pixels (n, 3, 8 * height, 8 * width) float32 in 0..1 on the processor."""
        config = cast(Any, self.vae.config)
        z = latents / config.scaling_factor + (config.shift_factor or 0.0)
        z = z.to(self.machine.device, self.vae.dtype).contiguous(memory_format=torch.channels_last)
        if tile:
            pixels = decode_tiled(self.vae, z, max(tile // self.latent.downscale, 1))
        else:
            pixels = self.vae.decode(cast(Any, z), return_dict=False)[0]
        return (pixels.to("cpu", torch.float32) / 2 + 0.5).clamp(0, 1)


def load(identity: Identity, settings: Settings) -> StableDiffusion:
    """Return the model of a diffusers folder or a single file.

    Raises ModelError naming the file, ResourceError for the device.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    machine = machine_for(settings)
    source = source_of(identity)
    unet: Any = network(source, "unet", UNet2DConditionModel, machine.dtype, machine.device)
    vae: Any = network(source, "vae", AutoencoderKL, machine.exact, machine.device)
    downscale = 2 ** (len(vae.config.block_out_channels) - 1)
    side = int(unet.config.sample_size) * downscale
    return StableDiffusion(
        name=identity.name,
        defaults=habits(*source.habits, side),
        latent=LatentFormat(channels=vae.config.latent_channels, downscale=downscale),
        path=VE,
        levels=levels_of(source.schedule),
        prediction=prediction(identity.prediction),
        machine=machine,
        weights=WeightsHash(source.files),
        text=load_text_encoder(source, machine),
        unet=unet.to(memory_format=torch.channels_last),
        vae=vae.to(memory_format=torch.channels_last),
    )


def network(source: Source, part: str, kind: Any, dtype: torch.dtype, device: str) -> nn.Module:
    """Return a part of a source as diffusers' class `kind` builds it from its config."""
    config = source.config(part)
    return build(
        lambda: kind.from_config(config),
        source.tensors(part),
        source.where(part),
        dtype=dtype,
        device=device,
        names=source.names(part),
    )


def habits(file: Path, said: Mapping[str, Any], side: int) -> Defaults:
    """Return the model's own defaults: its training size, and what its file says of steps, sampler and scale.

    Raises ModelError when that file says something else.
    """
    try:
        return Defaults(**{"width": side, "height": side, **said})
    except TypeError:
        known = ", ".join(field.name for field in fields(Defaults))
        raise Mismatch(f"{file}: says {', '.join(said)}; allowed are {known}.") from None


def levels_of(config: Mapping[str, Any]) -> Levels:
    """Return the noise levels that a diffusers scheduler config describes."""
    keys = (
        "beta_start",
        "beta_end",
        "beta_schedule",
        "num_train_timesteps",
        "trained_betas",
        "rescale_betas_zero_snr",
    )
    return Levels.from_betas(**{key: config[key] for key in keys if config.get(key) is not None})
