"""How much memory the decoding of pictures takes, and in how many pieces it fits.

A pure estimate from an autoencoder's widths: at its widest place a decoder holds a layer's input, the same normed and
the same activated. Knows autoencoders by their configs; does not know who decodes, and measures nothing.
"""

from __future__ import annotations

from typing import Any

from torch import nn

TILES = (1024, 768, 512, 384, 256)  # pixels; the largest that fits is taken
ALIVE = 3  # activations of one place that are alive at once
SPARE = 4  # a convolution's own working memory is taken to be this part of them


def decoding_bytes(autoencoder: nn.Module, height: int, width: int, itemsize: int) -> int:
    """Return about how many bytes it takes to decode one picture of height x width pixels, beside the weights."""
    alive = int(ALIVE * widest(autoencoder) * height * width * itemsize)
    return alive + alive // SPARE


def widest(autoencoder: nn.Module) -> float:
    """Return the most channels that a decoder's layer reads, counted for each pixel of the picture."""
    config: Any = autoencoder.config
    if hasattr(config, "num_decoder_blocks"):  # a tiny autoencoder: as many channels at every size
        return float(max(config.decoder_block_out_channels))
    channels = list(reversed(config.block_out_channels))
    levels = len(channels) - 1
    found = [channels[0] / 4**levels]
    for level, read in enumerate([channels[0], *channels[:-1]]):
        found.append(max(read, channels[level]) / 4 ** (levels - level))
    return max(found)


def portion(autoencoder: nn.Module, rows: int, height: int, width: int, *, itemsize: int, room: int) -> tuple[int, int]:
    """Return how many of `rows` pictures to decode at once and in tiles of how many pixels, so that `room` bytes do.

    Tiles of 0 pixels are the whole. Where not even the smallest tile fits, it is the smallest.
    """
    one = decoding_bytes(autoencoder, height, width, itemsize)
    if one <= room:
        return max(1, min(rows, room // max(one, 1))), 0
    side = max(height, width)
    fitting = (tile for tile in TILES if tile < side and decoding_bytes(autoencoder, tile, tile, itemsize) <= room)
    return 1, next(fitting, TILES[-1] if TILES[-1] < side else 0)


def smaller_tile(tile: int, side: int) -> int | None:
    """Return the next smaller tile for a picture whose longer side is `side` pixels; None where there is none.

    tile: the one that did not fit, 0 for the whole.
    """
    return next((one for one in TILES if one < (tile or side)), None)
