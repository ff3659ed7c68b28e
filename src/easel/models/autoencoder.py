"""Autoencoders: pixels to the latents that a denoiser reads, and back.

Two kinds: the KL autoencoder that models are trained with (Rombach et al. 2022, arXiv:2112.10752), of 4 or 16 channels,
and the tiny one that imitates it (TAESD, TAEF1). How latents are scaled, which a file of an autoencoder alone cannot
tell, says the model whose latents they are. Knows no denoiser and no text.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor, nn

from easel.core.errors import Incomplete, Unsupported
from easel.models.building import network
from easel.models.files.weights import build
from easel.models.tiled import decode_tiled

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    from easel.models.accelerate import Machine
    from easel.models.layouts.sources import Source


@dataclass(frozen=True, slots=True)
class Scale:
    """How a model reads latents: (z - shift) * factor, for z as the KL autoencoder has it."""

    factor: float
    shift: float = 0.0


class Autoencoder(Protocol):
    """A loaded autoencoder. encodes: whether it can make latents of pixels; one that cannot only decodes."""

    @property
    def module(self) -> nn.Module: ...
    @property
    def channels(self) -> int: ...
    @property
    def downscale(self) -> int: ...
    @property
    def scale(self) -> Scale: ...
    @property
    def encodes(self) -> bool: ...
    @property
    def key(self) -> Hashable:
        """Equal for those whose work may share forwards."""
        ...

    def scaled(self, scale: Scale) -> Autoencoder:
        """Return this autoencoder for a model that reads latents so."""
        ...

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return latents float32, smaller by `downscale`, for pixels (n, 3, h, w) in 0..1. Raises Unsupported."""
        ...

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        """Return pixels (n, 3, height, width) float32 in 0..1, on the processor."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class KLAutoencoder:
    """An autoencoder whose latents are normally distributed about a mean."""

    module: AutoencoderKL
    machine: Machine
    dtype: torch.dtype
    scale: Scale

    @property
    def channels(self) -> int:
        """Channels of the latent."""
        return int(cast(Any, self.module.config).latent_channels)

    @property
    def downscale(self) -> int:
        """How many pixels a latent cell covers along a side."""
        return 2 ** (len(cast(Any, self.module.config).block_out_channels) - 1)

    @property
    def encodes(self) -> bool:
        """It has both halves."""
        return True

    @property
    def key(self) -> Hashable:
        """Its weights, and how latents are read."""
        return (id(self.module), self.scale)

    def scaled(self, scale: Scale) -> KLAutoencoder:
        """Return this autoencoder for a model that reads latents so."""
        return replace(self, scale=scale)

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return the means of the latents, (n, channels, height / 8, width / 8) float32 on the processor.

        Other tools draw from the distribution about the mean. Its spread is far below what a picture shows, and the
        mean gives the same picture the same latents whatever the seed.
        """
        with self.machine.using(self.module):
            x = laid_out(pixels * 2 - 1, self)
            z = cast(Any, self.module.encode(cast(Any, x), return_dict=False))[0].mode().to("cpu", torch.float32)
        return (z - self.scale.shift) * self.scale.factor

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        """Return pixels (n, 3, 8 * height, 8 * width) float32 in 0..1 on the processor.

        tile: side in pixels of the tiles in which to work; 0 works whole.
        """
        with self.machine.using(self.module):
            z = laid_out(latents / self.scale.factor + self.scale.shift, self)
            if tile:
                pixels = decode_tiled(self.module, z, max(tile // self.downscale, 1))
            else:
                pixels = self.machine.decoded(self.module, z)
            return self.machine.fetched((pixels.float() / 2 + 0.5).clamp(0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class TinyAutoencoder:
    """An autoencoder of a few convolutions, for speed: TAESD and its like.

    Its latents are those that the denoiser reads; so no model scales them. It takes so little memory that it works
    whole, whatever tile is asked for.
    """

    module: AutoencoderTiny
    machine: Machine
    dtype: torch.dtype
    scale: Scale
    encodes: bool

    @property
    def channels(self) -> int:
        """Channels of the latent."""
        return int(cast(Any, self.module.config).latent_channels)

    @property
    def downscale(self) -> int:
        """How many pixels a latent cell covers along a side."""
        return 2 ** (len(cast(Any, self.module.config).num_decoder_blocks) - 1)

    @property
    def key(self) -> Hashable:
        """Its weights."""
        return id(self.module)

    def scaled(self, scale: Scale) -> TinyAutoencoder:
        """Return this autoencoder, which scales for itself."""
        return self

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return latents (n, channels, height / 8, width / 8) float32 on the processor. Raises Unsupported."""
        if not self.encodes:
            raise Unsupported("this VAE only decodes; pictures to start from need one that encodes too.")
        with self.machine.using(self.module):
            x = laid_out(pixels * 2 - 1, self)
            z = cast(Any, self.module.encode(cast(Any, x), return_dict=False))[0].to("cpu", torch.float32)
        return (z - self.scale.shift) * self.scale.factor

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        """Return pixels (n, 3, 8 * height, 8 * width) float32 in 0..1 on the processor; always at once."""
        with self.machine.using(self.module):
            z = laid_out(latents / self.scale.factor + self.scale.shift, self)
            pixels = cast(Any, self.module.decode(cast(Any, z), return_dict=False))[0]
            return self.machine.fetched((pixels.float() / 2 + 0.5).clamp(0, 1))


def laid_out(x: Tensor, vae: KLAutoencoder | TinyAutoencoder) -> Tensor:
    """Return what an autoencoder reads, on its device and in its numbers, channels together in memory."""
    return x.to(vae.machine.device, vae.dtype).contiguous(memory_format=torch.channels_last)


def load_autoencoder(source: Source, machine: Machine) -> Autoencoder:
    """Return the autoencoder of a source, a model's or one alone. Raises ModelError."""
    return (load_tiny if source.config("vae").get("_class_name") == "AutoencoderTiny" else load_kl)(source, machine)


def load_kl(source: Source, machine: Machine) -> KLAutoencoder:
    """Return a KL autoencoder; in float32 where the machine says float16, unless its config takes that for safe.

    What SDXL's has between its layers overflows float16, and its config says so by `force_upcast`.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    config = source.config("vae")
    half = machine.exact == torch.float16 and config.get("force_upcast", True)
    dtype = torch.float32 if half else machine.exact
    module: Any = network(source, "vae", AutoencoderKL, machine, dtype, machine.exact_weights)
    if machine.fuses and machine.dtype == torch.bfloat16 and dtype == torch.float32:
        from easel.models.cpu.decoding import halve

        halve(module.decoder)
    return KLAutoencoder(module, machine, dtype, scale_in(module.config))


def load_tiny(source: Source, machine: Machine) -> TinyAutoencoder:
    """Return a tiny autoencoder, or its decoder where the file has no more."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    config, tensors = source.config("vae"), source.tensors("vae")
    encodes = any(name.startswith("encoder.") for name in tensors)
    if not any(name.startswith("decoder.") for name in tensors):
        raise Incomplete(f"{source.where('vae')}: has an encoder alone; give the file that decodes.")

    def make() -> nn.Module:
        module: Any = AutoencoderTiny.from_config(dict(config))
        if not encodes:
            module.encoder = None
        return module

    module: Any = build(
        make,
        tensors,
        source.where("vae"),
        dtype=machine.exact,
        device=machine.home,
        names=source.names("vae"),
        keep=machine.exact_weights,
        layout=torch.channels_last,
    )
    return TinyAutoencoder(module, machine, machine.exact, scale_in(module.config), encodes)


def scale_in(config: Any) -> Scale:
    """Return what an autoencoder's config says of its latents' scale."""
    return Scale(float(config.scaling_factor), float(config.shift_factor or 0.0))
