"""Straight lines, as of rooms and houses, by M-LSD: white on black."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from easel.models.readers.files import Readers
from easel.models.readers.needs import MLSD
from easel.models.readers.onepicture import at_multiple, read_module, run, to_tensor
from easel.models.readers.registry import reader

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDES = 64  # pixels, of which a side is a multiple where the network looks
MOST = 200  # lines
Segments = NDArray[numpy.float32]


@reader(
    "mlsd",
    label="Straight lines, M-LSD",
    control="MLSD",
    needs=(MLSD,),
    limits={"score": (0.01, 1), "distance": (0, 100)},
)
def mlsd(image: Image.Image, readers: Readers, *, score: float = 0.1, distance: float = 0.1) -> Image.Image:
    """Return the straight lines that are at least as likely as `score`.

    distance: pixels at half the picture's size between a line's ends, at least.
    """
    import torch

    seen = at_multiple(image, SIDES)
    colours = to_tensor(seen, -1, 1)
    ones = torch.full_like(colours[:, :1], 1 / 127.5 - 1)  # the fourth channel is 1 before it is scaled like levels
    maps = run(readers, readers.network(MLSD, read_mlsd), torch.cat([colours, ones], 1))
    canvas = Image.new("L", image.size)
    pen = ImageDraw.Draw(canvas)
    scale = 2 * numpy.array([image.width / seen.width, image.height / seen.height] * 2)
    for segment in segments(maps, score, distance) * scale:
        pen.line([float(place) for place in segment], fill=255)
    return canvas.convert("RGB")


def segments(maps: Tensor, score: float, distance: float) -> Segments:
    """Return the lines in the network's maps, (n, 4): x and y of both ends in the maps' pixels, the likeliest first."""
    import torch
    from torch.nn import functional as F

    middles = maps[0, 0].sigmoid()
    best = F.max_pool2d(middles[None, None], 3, stride=1, padding=1)[0, 0]
    likely = torch.where(middles == best, middles, 0).flatten()
    scores, places = likely.topk(min(MOST, likely.numel()))
    rows, columns = places // maps.shape[-1], places % maps.shape[-1]
    ways = maps[0, 1:5, rows, columns].T
    long = (ways[:, :2] - ways[:, 2:]).norm(dim=1) > distance
    ends = torch.stack([columns, rows, columns, rows], 1) + ways
    return ends[(scores > score) & long].numpy().astype(numpy.float32)


def read_mlsd(path: Path, home: str) -> nn.Module:
    """Return the network of mlsd_large_512_fp32.pth."""
    from easel.models.readers.networks.mlsd import Mlsd

    return read_module(path, home, Mlsd)
