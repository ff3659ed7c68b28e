"""Small real parts of models, and what they read."""

from __future__ import annotations

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from easel.models.gpu.inputs import Inputs


class Small(nn.Module):
    """A denoiser of one residual layer, so that tracing it takes little."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 4, 3, padding=1)
        self.resnet = ResnetBlock2D(in_channels=4, temb_channels=1, groups=2)

    def forward(
        self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, return_dict: bool = True
    ) -> tuple[Tensor]:
        text = encoder_hidden_states.mean((1, 2))[:, None, None, None]
        return (self.resnet(self.conv_in(sample), timestep[:, None]) + text,)


def small(seed: int = 0) -> Small:
    """One of these, its weights as files give them."""
    torch.manual_seed(seed)
    with torch.inference_mode(False):
        return Small().eval().requires_grad_(False)


def unet(seed: int = 0) -> UNet2DConditionModel:
    """A U-Net with one attention and two residual layers on each way."""
    torch.manual_seed(seed)
    with torch.inference_mode(False):
        made = UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=8,
            attention_head_dim=2,
            norm_num_groups=4,
        )
        return made.eval().requires_grad_(False)


def read_by_unet(rows: int, seed: int = 0, tokens: int = 7, side: int = 8) -> Inputs:
    """What a U-Net reads of rows, each another."""
    chance = torch.Generator().manual_seed(seed)
    return Inputs(
        {
            "sample": torch.randn(rows, 4, side, side, generator=chance).contiguous(memory_format=torch.channels_last),
            "timestep": torch.rand(rows, generator=chance) * 999,
            "encoder_hidden_states": torch.randn(rows, tokens, 8, generator=chance),
        }
    )


def conv_of(part: nn.Module) -> nn.Conv2d:
    """The first convolution of a U-Net."""
    conv = part.conv_in
    assert isinstance(conv, nn.Conv2d)
    return conv
