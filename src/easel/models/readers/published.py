"""Networks from transformers' folders: their weights and the way in which they want to see a picture.

The folder's own configs say all; nothing is fetched, and no code that a folder brings is run. Knows no picture's
meaning.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from PIL import Image

from easel.core.errors import Incomplete, Mismatch, Unrecognised
from easel.models.files.jsonfiles import read_json
from easel.models.layouts.folders import files_of

if TYPE_CHECKING:
    from torch import Tensor, nn

LOOK = "preprocessor_config.json"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SHORTEST = "shortest_edge"
LONGER = 10  # times the shorter side, where nothing bounds the longer


@dataclass(frozen=True, slots=True)
class Look:
    """How a network wants to see a picture.

    size: (height, width), or the shorter side alone and the longer's bound. keeps: whether the shape is kept where
    `size` has two sides; multiple: of which both sides are. mean, deviation: of each channel, in 0..1. margins: whether
    the picture's rim is mirrored outward first, by the root of half its sides three times.
    """

    size: tuple[int, int]
    shorter: bool = False
    keeps: bool = False
    multiple: int = 1
    mean: tuple[float, ...] = IMAGENET[0]
    deviation: tuple[float, ...] = IMAGENET[1]
    margins: bool = False
    resample: int = Image.Resampling.BICUBIC

    def sides(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which the network sees a picture of these."""
        if self.shorter:
            scale = min(self.size[0] / min(width, height), self.size[1] / max(width, height))
            return max(1, round(width * scale)), max(1, round(height * scale))
        down, across = self.size[0] / height, self.size[1] / width
        if self.keeps:  # as little as possible
            down = across = across if abs(1 - across) < abs(1 - down) else down
        return self.whole(across * width), self.whole(down * height)

    def whole(self, side: float) -> int:
        """Return the nearest multiple that a side may be."""
        return max(self.multiple, round(side / self.multiple) * self.multiple)

    def rim(self, width: int, height: int) -> tuple[int, int]:
        """Return how many pixels are mirrored outward at the left and right, and at the top and bottom."""
        return (int(math.sqrt(width / 2) * 3), int(math.sqrt(height / 2) * 3)) if self.margins else (0, 0)

    def seen(self, image: Image.Image) -> Tensor:
        """Return an RGB picture as the network sees it, (1, 3, height, width) float32."""
        import torch

        across, down = self.rim(*image.size)
        across, down = min(across, image.width - 1), min(down, image.height - 1)
        if self.margins:
            levels = numpy.pad(numpy.asarray(image), ((down, down), (across, across), (0, 0)), mode="reflect")
            image = Image.fromarray(levels)
        small = image.resize(self.sides(*image.size), Image.Resampling(self.resample))
        levels = numpy.asarray(small, numpy.float32) / 255
        scaled = (levels - numpy.array(self.mean, numpy.float32)) / numpy.array(self.deviation, numpy.float32)
        return torch.from_numpy(scaled).permute(2, 0, 1)[None].contiguous()

    def back(self, found: Tensor, size: tuple[int, int]) -> Tensor:
        """Return maps (1, n, height, width) of what was seen at a picture's (width, height), the rim cut off."""
        from torch.nn import functional as F

        width, height = size
        across, down = (min(rim, side - 1) for rim, side in zip(self.rim(*size), size, strict=True))
        whole = F.interpolate(
            found.float(), (height + 2 * down, width + 2 * across), mode="bilinear", align_corners=False
        )
        return whole[..., down : down + height, across : across + width]


@dataclass(frozen=True, slots=True)
class Published:
    """A network of a folder with its look and config."""

    folder: Path
    network: nn.Module
    look: Look
    config: Mapping[str, Any]


def read_published(folder: Path, home: str, task: str) -> Published:
    """Return the network of a transformers folder.

    task: transformers' class that it must be of, such as "AutoModelForDepthEstimation". Raises Unrecognised for another
    kind of network, Incomplete or Mismatch where weights are not what its config says.
    """
    import torch
    import transformers

    from easel.models.files.weights import read_tensors

    config_file = folder / "config.json"
    told = read_json(config_file)
    weights = files_of(folder)
    made_as = getattr(transformers, task)
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        known = made_as._model_mapping
        if type(config) not in known:
            raise Unrecognised(f"{config_file}: {told.get('model_type')!r} is no network for this; {task} has others.")
        tensors = {name: torch.as_tensor(tensor) for name, tensor in read_tensors(weights).items()}
        with without_bars():
            network, notes = known[type(config)].from_pretrained(
                None, config=config, state_dict=tensors, output_loading_info=True, dtype=torch.float32
            )
    except (ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
        raise Mismatch(f"{folder}: {' '.join(str(error).split())[:300]}") from None
    if missing := sorted(notes["missing_keys"]):
        raise Incomplete(f"{folder}: {len(missing)} tensors are missing, first {missing[0]!r}; fetch it again.")
    return Published(folder, network.to(home).requires_grad_(False).eval(), read_look(folder / LOOK), told)


@contextmanager
def without_bars() -> Generator[None]:
    """Have transformers draw no bars of its own."""
    from transformers.utils import logging

    was = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was:
            logging.enable_progress_bar()


def read_look(file: Path) -> Look:
    """Return what a preprocessor_config.json says. Raises Incomplete or Mismatch naming it."""
    told = read_json(file)
    pads = told.get("do_pad") and "ZoeDepth" in str(told.get("image_processor_type"))
    try:
        size, shorter = read_size(told)
        return Look(
            size=size,
            shorter=shorter,
            keeps=bool(told.get("keep_aspect_ratio", False)),
            multiple=int(told.get("ensure_multiple_of", 1)),
            mean=tuple(map(float, told.get("image_mean") or IMAGENET[0])),
            deviation=tuple(map(float, told.get("image_std") or IMAGENET[1])),
            margins=bool(pads),
            resample=int(told.get("resample", Image.Resampling.BICUBIC)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Mismatch(f"{file}: does not say how pictures are to be seen ({error!r}).") from None


def read_size(told: Mapping[str, Any]) -> tuple[tuple[int, int], bool]:
    """Return the size in a preprocessor_config.json, and whether it is the shorter side and the longer's bound.

    Older files say the shorter side as one number beside "max_size". Raises KeyError, TypeError or ValueError.
    """
    size, bound = told.get("size", 384), told.get("max_size")
    if isinstance(size, int):
        return ((size, int(bound)), True) if bound else ((size, size), False)
    if SHORTEST in size:
        shortest = int(size[SHORTEST])
        return (shortest, int(size.get("longest_edge") or bound or LONGER * shortest)), True
    return (int(size["height"]), int(size["width"])), False
