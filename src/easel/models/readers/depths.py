"""Depth, and which way surfaces face, by networks of transformers' folders: bright is near.

Relative depth is stretched to all levels; metric depth, in metres, is cut at percentiles first, so that a far sky does
not take all of them (ZoeDepth's own way).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray
from PIL import Image

from easel.media.hints.levels import Levels, picture_of, slopes
from easel.models.readers.files import Readers
from easel.models.readers.needs import ANYTHING, ANYTHING_2, MIDAS, ZOE, Need
from easel.models.readers.registry import reader

if TYPE_CHECKING:
    from easel.models.readers.published import Published

NEAR, FAR = 2, 85  # percentiles of metres that become white and black
TASK = "AutoModelForDepthEstimation"


@reader("depth-anything-v2", "depth_anything_v2", label="Depth Anything V2", control="Depth", needs=(ANYTHING_2,))
def depth_anything_v2(image: Image.Image, readers: Readers) -> Image.Image:
    """Return how near each pixel is."""
    return near_picture(image, readers, ANYTHING_2)


@reader("depth-anything", "depth_anything", label="Depth Anything", control="Depth", needs=(ANYTHING,))
def depth_anything(image: Image.Image, readers: Readers) -> Image.Image:
    """Return how near each pixel is."""
    return near_picture(image, readers, ANYTHING)


@reader("depth-midas", "depth_midas", "depth", label="Depth, MiDaS", control="Depth", needs=(MIDAS,))
def depth_midas(image: Image.Image, readers: Readers) -> Image.Image:
    """Return how near each pixel is."""
    return near_picture(image, readers, MIDAS)


@reader("depth-zoe", "depth_zoe", label="Depth, ZoeDepth", control="Depth", needs=(ZOE,))
def depth_zoe(image: Image.Image, readers: Readers) -> Image.Image:
    """Return how near each pixel is, from metres."""
    return near_picture(image, readers, ZOE)


@reader(
    "normal-midas",
    "normal_midas",
    label="Normals from depth, MiDaS",
    control="NormalMap",
    needs=(MIDAS,),
    limits={"background": (0, 1), "flatness": (0.1, 100)},
)
def normal_midas(
    image: Image.Image, readers: Readers, *, background: float = 0.4, flatness: float = 2 * math.pi
) -> Image.Image:
    """Return which way surfaces face: x as red, y as green, towards the eye as blue.

    background: how near, 0..1, a pixel is at least that has a slope at all. flatness: how much blue against the slopes.
    """
    depth, metric = depth_of(image, readers, MIDAS)
    return normals(depth, near_of(depth, metric=metric) >= background, flatness)


def normals(depth: Levels, there: NDArray[numpy.bool_], flatness: float) -> Image.Image:
    """Return the normals of relative depth, (height, width); those that are not `there` face the eye."""
    right, down = slopes(depth[..., None])
    ways = numpy.stack([right * there, down * there, numpy.full_like(right, flatness)], -1)
    ways /= numpy.linalg.norm(ways, axis=-1, keepdims=True)
    return Image.fromarray((ways * 127.5 + 127.5).clip(0, 255).astype(numpy.uint8))


def near_picture(image: Image.Image, readers: Readers, need: Need) -> Image.Image:
    """Return how near each pixel is, white being nearest."""
    depth, metric = depth_of(image, readers, need)
    return picture_of(near_of(depth, metric=metric) * 255)


def depth_of(image: Image.Image, readers: Readers, need: Need) -> tuple[Levels, bool]:
    """Return what a network says of each pixel, (height, width), and whether that is metres."""
    import torch

    network = readers.network(need, read_depth)
    with torch.inference_mode(), readers.using(network.network):
        found = network.network(pixel_values=network.look.seen(image).to(readers.device)).predicted_depth.cpu()
    return network.look.back(found[:, None], image.size)[0, 0].numpy(), is_metric(network)


def near_of(depth: Levels, *, metric: bool) -> Levels:
    """Return nearness 0..1 of relative depth, in which near is large, or of metres, in which it is small."""
    low, high = numpy.percentile(depth, (NEAR, FAR)) if metric else (depth.min(), depth.max())
    share = (depth - low) / max(float(high - low), 1e-9)
    return numpy.clip(1 - share if metric else share, 0, 1)


def is_metric(network: Published) -> bool:
    """Return whether a network tells metres."""
    told = network.config
    return told.get("model_type") == "zoedepth" or told.get("depth_estimation_type") == "metric"


def read_depth(path: Path, home: str) -> Published:
    """Return the network of a transformers folder for depth."""
    from easel.models.readers.published import read_published

    return read_published(path, home, TASK)
