"""TAESD as it is published: two files of numbered layers, one file of both, and diffusers' AutoencoderTiny."""

from __future__ import annotations

from tests.ldm import Shapes, put


def blocks(found: Shapes, first: int, count: int, stem: str, width: int = 64) -> None:
    """Note blocks of three convolutions, numbered from `first`."""
    for number in range(first, first + count):
        for layer in (0, 2, 4):
            put(found, f"{stem}{number}.conv.{layer}", width, width, 3, 3)


def encoder(channels: int = 4, stem: str = "") -> Shapes:
    """Convolution, block, then thrice half the size and three blocks, convolution."""
    found: Shapes = {}
    put(found, f"{stem}0", 64, 3, 3, 3)
    blocks(found, 1, 1, stem)
    for first in (2, 6, 10):
        put(found, f"{stem}{first}", 64, 64, 3, 3, bias=False)
        blocks(found, first + 1, 3, stem)
    put(found, f"{stem}14", channels, 64, 3, 3)
    return found


def decoder(channels: int = 4, stem: str = "", shift: int = 0) -> Shapes:
    """Bound, convolution, ReLU, then thrice three blocks, twice the size, convolution; a block, convolution.

    shift: -1 without the bound, as diffusers counts.
    """
    found: Shapes = {}
    put(found, f"{stem}{1 + shift}", 64, channels, 3, 3)
    for first in (3, 8, 13):
        blocks(found, first + shift, 3, stem)
        put(found, f"{stem}{first + 4 + shift}", 64, 64, 3, 3, bias=False)
    blocks(found, 18 + shift, 1, stem)
    put(found, f"{stem}{19 + shift}", 3, 64, 3, 3)
    return found
