"""Learned upscalers from files: Real-ESRGAN's compact build by itself, all others through spandrel.

Knows networks and machines; who cuts tiles and joins pictures is enlarging.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from easel.core.errors import Mismatch, ModelError
from easel.models.accelerate import Machine
from easel.post import compact
from easel.post.architectures import described, tensors_of


@dataclass(frozen=True, slots=True, eq=False)
class Enlarger:
    """A loaded upscaler. words: its build. scale: how much larger it makes, 1 where it only cleans.

    call: pictures (1, channels, height, width) in 0..1 to as many `scale` times as large. whole: whether it sees to
    its own tiles and wants the picture whole.
    """

    words: str
    scale: int
    module: nn.Module
    call: Callable[[Tensor], Tensor]
    channels: int
    whole: bool
    machine: Machine

    @torch.inference_mode()
    def made_of(self, levels: NDArray[numpy.uint8]) -> NDArray[numpy.float32]:
        """Return pixels (height, width, 3) of 0..255 enlarged, as numbers in 0..1. Raises ModelError for no numbers."""
        like = next(self.module.parameters())
        x = torch.as_tensor(levels.copy()).permute(2, 0, 1)[None].float().div(255)
        if self.channels == 1:
            x = x.mul(torch.tensor((0.299, 0.587, 0.114)).reshape(3, 1, 1)).sum(1, keepdim=True)
        with self.machine.using(self.module):
            x = x.to(self.machine.device, like.dtype).contiguous(memory_format=torch.channels_last)
            made = self.call(x).float().cpu()
        if not bool(torch.isfinite(made).all()):
            raise ModelError(f"the upscaler {self.words} gave values that are no numbers; set precision to float32.")
        return made[0].clamp(0, 1).expand(3, -1, -1).permute(1, 2, 0).numpy()


def load_upscaler(path: Path, machine: Machine) -> Enlarger:
    """Return the upscaler in a file, .safetensors or .pth, waiting where the machine's weights do.

    Raises ModelError naming the file, ResourceError where another build than the compact one needs spandrel.
    """
    tensors = tensors_of(path)
    if compact.fits(tensors):
        network = compact.load(tensors, path, dtype_on(machine, half=True), machine.home)
        channels = tensors["body.0.weight"].shape[1]
        made = Enlarger("Compact", network.scale, network, network, channels, False, machine)
    else:
        found = described(tensors, path, "enlarging")
        if found.purpose not in ("SR", "Restoration"):
            what = {"FaceSR": "restores faces: name it as faces.restorer", "Inpainting": "paints under masks"}
            raise Mismatch(f"{path}: a {found.architecture.name}, which {what.get(found.purpose, found.purpose)}.")
        found.to(torch.device(machine.home), dtype_on(machine, half=found.supports_half))
        whole = found.tiling.name == "INTERNAL"
        words = found.architecture.name
        made = Enlarger(words, found.scale, found.model, found, found.input_channels, whole, machine)
    if made.channels not in (1, 3):
        raise Mismatch(f"{path}: reads pictures of {made.channels} channels; supported are 1 and 3.")
    module: Any = made.module.requires_grad_(False).eval()
    module.to(memory_format=torch.channels_last)
    return made


def dtype_on(machine: Machine, *, half: bool) -> torch.dtype:
    """Return the numbers in which a network of pictures works: float32 on a processor, else halves where it may.

    bfloat16 is never one: 256 levels of a picture are more than it can tell apart.
    """
    if machine.device == "cpu" or machine.exact == torch.float32 or not half:
        return torch.float32
    return torch.float16
