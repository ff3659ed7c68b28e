"""Embeddings that A1111 hides in a picture, so that they can be passed on with what they look like.

They stand in the PNG's text chunk "sd-ti-embedding" (JSON in base64), or in the pixels: the low four bits of the
columns left and right of the picture, parted from it by black columns, masked by a known sequence and deflated.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from easel.core.errors import EaselError, Unrecognised
from easel.media.metadata import read_picture_file
from easel.media.reading import open_image

CHUNK = "sd-ti-embedding"
TENSOR = "TORCHTENSOR"  # the key under which JSON holds a tensor as nested lists
LARGEST = 2**26  # bytes of JSON
MULTIPLIER, INCREMENT, MODULUS = 1664525, 1013904223, 2**32  # of the sequence, of which each number counts modulo 255

Nibbles = NDArray[numpy.uint8]


def vectors_in_picture(file: Path) -> dict[str, Tensor]:
    """Return the vectors hidden in a picture, by name. Raises ModelError naming the file."""
    try:
        text = read_picture_file(file).texts.get(CHUNK)
        said = json.loads(base64.b64decode(text) if text else hidden(open_image(file.read_bytes(), str(file))))
        return tensors_in(said["string_to_param"])
    except (OSError, EaselError, ValueError, TypeError, KeyError, AttributeError, zlib.error, RecursionError):
        raise Unrecognised(f"{file}: no embedding is hidden in this picture.") from None


def tensors_in(said: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return tensors by name from JSON's nested lists."""
    return {name: torch.tensor(value[TENSOR], dtype=torch.float32) for name, value in said.items()}


def hidden(image: Image.Image) -> bytes:
    """Return what is hidden in a picture's pixels. Raises ValueError where nothing is."""
    low = inside(numpy.asarray(image.convert("RGB"), numpy.uint8)) & numpy.uint8(0x0F)
    (black,) = numpy.nonzero(low.sum(axis=(0, 2)) == 0)
    if len(black) < 2:
        raise ValueError("no black columns")
    left, right = low[:, : black.min()], low[:, black.max() + 1 :]
    if left.shape != right.shape:
        raise ValueError("the two sides differ")
    data = (unmasked(right) * numpy.uint8(16) | unmasked(left)).tobytes()
    unpacking = zlib.decompressobj()
    found = unpacking.decompress(data, LARGEST)
    if unpacking.unconsumed_tail:
        raise ValueError("too large")
    return found


def inside(pixels: Nibbles) -> Nibbles:
    """Return pixels (height, width, 3) without black rows and columns at the edges."""
    rows, columns = (numpy.nonzero(pixels.any(axis=(1 - axis, 2)))[0] for axis in (0, 1))
    if not len(rows) or not len(columns):
        raise ValueError("all black")
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def unmasked(block: Nibbles) -> Nibbles:
    """Return nibbles (height, width, 3) with the mask, a sequence of linear congruences, taken off."""
    return block ^ (mask(block.size).reshape(block.shape) & numpy.uint8(0x0F))


def mask(count: int) -> Nibbles:
    """Return the first numbers of the sequence."""
    found: Nibbles = numpy.empty(count, numpy.uint8)
    number = 0
    for place in range(count):
        number = (MULTIPLIER * number + INCREMENT) % MODULUS
        found[place] = number % 255
    return found
