"""Motion modules at tiny size with random weights, as diffusers' folders and as files with AnimateDiff's own names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from easel.adapters.motion.coupling import MotionModule
from easel.adapters.motion.loading import load_motion
from easel.core.work import Act
from easel.models.family import Model

FRAMES = 6  # that a tiny module knows places for
PUBLISHED = {  # diffusers' names, and AnimateDiff's
    ".attn1.": ".attention_blocks.0.",
    ".attn2.": ".attention_blocks.1.",
    ".norm1.": ".norms.0.",
    ".norm2.": ".norms.1.",
    ".norm3.": ".ff_norm.",
    ".pos_embed.": ".attention_blocks.0.pos_encoder.",
}


def tiny_net(*, groups: int = 8, seed: int = 1, mid: bool = True, channels: tuple[int, ...] = (32, 64)) -> Any:
    """A motion module for the tiny U-Net. groups: of its norms, as many as the U-Net has where diffusers joins both."""
    from diffusers import MotionAdapter

    torch.manual_seed(seed)
    net: Any = MotionAdapter(
        block_out_channels=channels,
        motion_layers_per_block=1,
        motion_num_attention_heads=8,
        motion_norm_num_groups=groups,
        motion_max_seq_length=FRAMES,
        use_motion_mid_block=mid,
    )
    return net.eval().requires_grad_(False)


def published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names of AnimateDiff's own files, in which the table of places stands twice a block."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for ours, theirs in PUBLISHED.items():
            name = name.replace(ours, theirs)
        before, number, rest = name.partition(".motion_modules.")
        layer, _, inner = rest.partition(".")
        name = f"{before}{number}{layer}.temporal_transformer.{inner}"
        found[name] = tensor.contiguous()
        if ".attention_blocks.0.pos_encoder." in name:
            found[name.replace(".attention_blocks.0.", ".attention_blocks.1.")] = tensor.clone()
    return found


def write_motion(folder: Path, net: Any) -> Path:
    """Write a motion module as a folder of diffusers'."""
    net.save_pretrained(folder)
    return folder


def write_published(file: Path, net: Any) -> Path:
    """Write a motion module as AnimateDiff does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(published(net.state_dict()), file)
    return file


def moving(folder: Path, model: Model, **more: Any) -> MotionModule:
    """Write and load a motion module."""
    return load_motion(write_motion(folder, tiny_net(**more)), model.machine, "tiny-motion")


def clip(adapter: MotionModule, model: Model, count: int, strength: float = 1.0) -> tuple[tuple[Act, ...], ...]:
    """The acts of the rows of one clip, in the order of its frames."""
    bond = object()
    return tuple((Act(adapter, frame, strength, bond),) for frame in adapter.frames(model, count))
