"""What Stable Diffusion and Stable Diffusion XL have alike: a U-Net with cross-attention on a table of noise levels.

Rombach et al. 2022, arXiv:2112.10752. Knows no text encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn

from easel.core.work import Rows
from easel.models.accelerate import Machine
from easel.models.building import network
from easel.models.latent import LatentModel
from easel.models.layouts.sources import Source
from easel.sampling.levels import Levels
from easel.sampling.prediction import Prediction

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel


@dataclass(frozen=True, slots=True, eq=False)
class UNetModel(LatentModel):
    """A latent model whose denoiser is a U-Net."""

    prediction: Prediction
    unet: UNet2DConditionModel

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks by diffusers' names of their folders."""
        return {"unet": self.unet, **self.autoencoders}

    @property
    def inpaints(self) -> bool:
        """Whether this is an inpainting checkpoint, whose U-Net reads 9 channels: latent, mask, masked latent."""
        return int(cast(Any, self.unet.config).in_channels) == 2 * self.latent.channels + 1

    def denoised(self, rows: Rows, added: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the denoised latent of each row, (n, 4, height, width) float32 on the processor.

        added: what the U-Net is told beside time and text, by diffusers' names.
        """
        dtype = self.machine.dtype
        x = self.prediction.input(rows.x, rows.sigma).to(dtype)
        if "inpaint" in rows.extra:
            x = torch.cat([x, rows.extra["inpaint"].to(dtype)], 1)
        read = {
            "sample": x.contiguous(memory_format=torch.channels_last),
            "timestep": self.levels.timestep(rows.sigma).to(torch.float32),
            "encoder_hidden_states": rows.context.to(dtype),
        }
        read |= {f"added_cond_kwargs.{name}": value for name, value in (added or {}).items()}
        read |= {name: value.to(dtype) for name, value in rows.told.items()}
        with (
            self.machine.using(self.unet),
            self.machine.wearing(self.parts, "unet", rows.networks, rows.left),
        ):
            output = self.machine.denoised(self.unet, read)
        return self.prediction.denoised(output, rows.x, rows.sigma)


def load_unet(source: Source, machine: Machine) -> UNet2DConditionModel:
    """Return the U-Net of a source. Raises ModelError."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    unet = cast("UNet2DConditionModel", network(source, "unet", UNet2DConditionModel, machine))
    if machine.fuses:
        from easel.models.cpu.layers import fit

        fit(unet)
    return unet


def levels_of(config: Mapping[str, Any], optimised: Literal["sd1", "sdxl", "svd"] = "sd1") -> Levels:
    """Return the noise levels that a diffusers scheduler config describes. optimised: which Align Your Steps takes."""
    keys = (
        "beta_start",
        "beta_end",
        "beta_schedule",
        "num_train_timesteps",
        "trained_betas",
        "rescale_betas_zero_snr",
    )
    return Levels.from_betas(optimised=optimised, **{key: config[key] for key in keys if config.get(key) is not None})
