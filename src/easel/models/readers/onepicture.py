"""One picture through one torch network: pixels to a tensor, sides that the network takes, a tensor to pixels.

Knows no network by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from PIL import Image

from easel.media.hints.levels import Levels, picture_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from easel.models.readers.files import Readers

PREFIX = "module."  # what training on several cards leaves before names


def to_tensor(image: Image.Image, low: float, high: float) -> Tensor:
    """Return an RGB picture as (1, 3, height, width) float32, black as `low` and white as `high`."""
    import torch

    levels = torch.from_numpy(numpy.asarray(image, numpy.float32).copy())
    return levels.permute(2, 0, 1)[None] / 255 * (high - low) + low


def at_multiple(image: Image.Image, of: int, least: int = 1) -> Image.Image:
    """Return a picture with both sides at the next multiple of so many pixels, stretched by a little.

    least: pixels of a side at least, itself such a multiple.
    """
    width, height = (max(least, -(-side // of) * of) for side in image.size)
    return image if (width, height) == image.size else image.resize((width, height), Image.Resampling.BICUBIC)


def greys(found: Tensor, size: tuple[int, int]) -> Levels:
    """Return a map (1, 1, height, width) of shares as levels 0..255 of (height, width), brought to a picture's size."""
    from torch.nn import functional as F

    if (found.shape[-1], found.shape[-2]) != size:
        found = F.interpolate(found, (size[1], size[0]), mode="bilinear", align_corners=False)
    return (found[0, 0].float().cpu() * 255).clamp(0, 255).numpy()


def drawn(levels: Levels) -> Image.Image:
    """Return levels as an RGB picture."""
    return picture_of(levels)


def run(readers: Readers, network: nn.Module, given: Tensor) -> Tensor:
    """Return what a network makes of a tensor, on the readers' device and back, without gradients."""
    import torch

    with torch.inference_mode(), readers.using(network):
        return network(given.to(readers.device)).cpu()


def read_module(path: Path, home: str, make: Callable[[], nn.Module]) -> nn.Module:
    """Return a network in float32 with the weights of a file. Raises Incomplete or Mismatch naming file and tensor.

    Counters of batches, which no forward reads, may be there or not.
    """
    import torch

    from easel.models.files.weights import build, read_tensors

    given: Mapping[str, Any] = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in read_tensors((path,)).items()
        if not name.endswith(".num_batches_tracked")
    }
    return build(lambda: without_counters(make()), given, path, dtype=torch.float32, device=home)


def without_counters(network: nn.Module) -> nn.Module:
    """Return a network whose norms count no batches."""
    for module in network.modules():
        if "num_batches_tracked" in module._buffers:
            module._buffers["num_batches_tracked"] = None
    return network
