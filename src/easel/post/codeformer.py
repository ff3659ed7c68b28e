"""CodeFormer (Zhou et al. 2022, arXiv 2206.11253), built from the paper and the names and shapes of its published file.

A face is encoded to 16 x 16 places; a transformer tells for each which entry of a codebook of sharp faces it is; a
decoder draws these, and what the encoder saw is let through as far as `fidelity` says. Knows tensors alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easel.core.errors import Mismatch
from easel.models.files.weights import build

GROUPS = 32
PER_LEVEL = 2  # residual blocks at each size
LEAST = 1e-5  # under the root of a variance
MARK = "fuse_convs_dict."


@dataclass(frozen=True, slots=True)
class Build:
    """The sizes of one CodeFormer. widths: channels at each size, the largest size first.

    entries, code: of the codebook, and numbers of each. wide, inner, layers, heads: of the transformer.
    places: at which it works; at that size encoder and decoder attend too.
    """

    widths: tuple[int, ...]
    entries: int
    code: int
    wide: int
    inner: int
    layers: int
    places: int
    heads: int = 8

    @property
    def bottom(self) -> int:
        """Places along a side where the transformer works."""
        return math.isqrt(self.places)

    @property
    def side(self) -> int:
        """Pixels along a face's side."""
        return self.bottom << (len(self.widths) - 1)

    def at(self, level: int) -> int:
        """Return the side in pixels at a level, 0 the largest."""
        return self.side >> level


def norm(channels: int) -> nn.GroupNorm:
    """Return the norm before every convolution."""
    return nn.GroupNorm(GROUPS, channels, eps=1e-6)


class Residual(nn.Module):
    """Two convolutions beside a way past them."""

    def __init__(self, given: int, made: int) -> None:
        """Build it for `given` channels, to give `made`."""
        super().__init__()
        self.norm1, self.conv1 = norm(given), nn.Conv2d(given, made, 3, padding=1)
        self.norm2, self.conv2 = norm(made), nn.Conv2d(made, made, 3, padding=1)
        self.conv_out = nn.Conv2d(given, made, 1) if given != made else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, made, height, width)."""
        inner = self.conv1(F.silu(self.norm1(x)))
        return self.conv_out(x) + self.conv2(F.silu(self.norm2(inner)))


class Attention(nn.Module):
    """Every place asks every other, with one head."""

    def __init__(self, channels: int) -> None:
        """Build it for so many channels."""
        super().__init__()
        self.norm = norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape that was given."""
        normed = self.norm(x)
        q, k, v = (part(normed).flatten(2).transpose(1, 2)[:, None] for part in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        return x + self.proj_out(seen.reshape(x.shape))


class Smaller(nn.Module):
    """Half the size."""

    def __init__(self, channels: int) -> None:
        """Build it for so many channels."""
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, height / 2, width / 2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Larger(nn.Module):
    """Twice the size."""

    def __init__(self, channels: int) -> None:
        """Build it for so many channels."""
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, 2 height, 2 width)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Blocks(nn.Module):
    """Layers one after the other, and where in them what passes is of which size."""

    def __init__(self, layers: list[nn.Module], taken: Mapping[int, int]) -> None:
        """Keep the layers; taken: which of them gives what is fused at which side, in pixels."""
        super().__init__()
        self.blocks = nn.ModuleList(layers)
        self.taken = dict(taken)


def encoder_of(made: Build) -> Blocks:
    """Return the layers from a face to its places."""
    widths = made.widths
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1)]
    taken: dict[int, int] = {}
    channels = widths[0]
    for level, width in enumerate(widths):
        for number in range(PER_LEVEL):
            layers.append(Residual(channels, width))
            channels = width
            if number + 1 == PER_LEVEL:
                taken[len(layers) - 1] = made.at(level)
            if made.at(level) == made.bottom:
                layers.append(Attention(width))
        if level + 1 < len(widths):
            layers.append(Smaller(width))
    layers += [Residual(channels, channels), Attention(channels), Residual(channels, channels)]
    return Blocks([*layers, norm(channels), nn.Conv2d(channels, made.code, 3, padding=1)], taken)


def generator_of(made: Build) -> Blocks:
    """Return the layers from entries of the codebook to a face."""
    channels = made.widths[-1]
    layers: list[nn.Module] = [nn.Conv2d(made.code, channels, 3, padding=1)]
    layers += [Residual(channels, channels), Attention(channels), Residual(channels, channels)]
    taken: dict[int, int] = {}
    for level in reversed(range(len(made.widths))):
        for number in range(PER_LEVEL):
            layers.append(Residual(channels, made.widths[level]))
            channels = made.widths[level]
            if number == 0:
                taken[len(layers) - 1] = made.at(level)
            if made.at(level) == made.bottom:
                layers.append(Attention(channels))
        if level:
            layers.append(Larger(channels))
    return Blocks([*layers, norm(channels), nn.Conv2d(channels, 3, 3, padding=1)], taken)


class Layer(nn.Module):
    """One layer of the transformer."""

    def __init__(self, made: Build) -> None:
        """Build it in such sizes."""
        super().__init__()
        self.self_attn = nn.MultiheadAttention(made.wide, made.heads)
        self.linear1, self.linear2 = nn.Linear(made.wide, made.inner), nn.Linear(made.inner, made.wide)
        self.norm1, self.norm2 = nn.LayerNorm(made.wide), nn.LayerNorm(made.wide)

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        """Return (places, n, wide); where: what tells places apart, (places, 1, wide)."""
        normed = self.norm1(x)
        asking = normed + where
        x = x + self.self_attn(asking, asking, normed, need_weights=False)[0]
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class Fuse(nn.Module):
    """What the encoder saw scales and shifts what the decoder draws."""

    def __init__(self, channels: int) -> None:
        """Build it for so many channels."""
        super().__init__()
        self.encode_enc = Residual(2 * channels, channels)
        self.scale, self.shift = (
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(channels, channels, 3, padding=1),
            )
            for _ in range(2)
        )

    def forward(self, seen: Tensor, drawn: Tensor, fidelity: float) -> Tensor:
        """Return the shape of `drawn`."""
        told = self.encode_enc(torch.cat((seen, drawn), 1))
        return drawn + fidelity * (drawn * self.scale(told) + self.shift(told))


class CodeFormer(nn.Module):
    """A face to a sharper one."""

    def __init__(self, made: Build, fused: tuple[int, ...]) -> None:
        """Build it in such sizes. fused: sides, in pixels, at which what the encoder saw is let through."""
        super().__init__()
        self.made = made
        self.encoder, self.generator = encoder_of(made), generator_of(made)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(made.entries, made.code)})
        self.position_emb = nn.Parameter(torch.empty(made.places, made.wide))
        self.feat_emb = nn.Linear(made.code, made.wide)
        self.ft_layers = nn.ModuleList(Layer(made) for _ in range(made.layers))
        self.idx_pred_layer = nn.Sequential(nn.LayerNorm(made.wide), nn.Linear(made.wide, made.entries, bias=False))
        widths = {made.at(level): width for level, width in enumerate(made.widths)}
        self.fuse_convs_dict = nn.ModuleDict({str(side): Fuse(widths[side]) for side in fused})

    def forward(self, x: Tensor, fidelity: float = 0.5) -> Tensor:
        """Return faces (n, 3, side, side) in -1..1 restored; fidelity: 0..1, how near to those given."""
        seen: dict[int, Tensor] = {}
        for place, block in enumerate(self.encoder.blocks):
            x = block(x)
            if place in self.encoder.taken:
                seen[self.encoder.taken[place]] = x
        drawn = like(self.entries_for(x), x)
        for place, block in enumerate(self.generator.blocks):
            drawn = block(drawn)
            side = self.generator.taken.get(place)
            if fidelity > 0 and str(side) in self.fuse_convs_dict:
                drawn = self.fuse_convs_dict[str(side)](seen[cast(int, side)], drawn, fidelity)
        return drawn

    def entries_for(self, x: Tensor) -> Tensor:
        """Return the codebook's entries, (n, code, bottom, bottom), that the transformer reads in what was encoded."""
        told = self.feat_emb(x.flatten(2).permute(2, 0, 1))
        for layer in self.ft_layers:
            told = layer(told, self.position_emb[:, None])
        chosen = self.idx_pred_layer(told).argmax(-1)
        return self.quantize["embedding"](chosen).permute(1, 2, 0).reshape(x.shape)


def like(drawn: Tensor, seen: Tensor) -> Tensor:
    """Return channels with the mean and spread of others (Huang and Belongie 2017, adaptive instance norm)."""
    (mean, spread), (other, wider) = ((x.mean((2, 3), keepdim=True), spread_of(x)) for x in (drawn, seen))
    return (drawn - mean) / spread * wider + other


def spread_of(x: Tensor) -> Tensor:
    """Return the standard deviation of each channel of each picture."""
    return (x.var((2, 3), keepdim=True) + LEAST).sqrt()


def fits(tensors: Mapping[str, Any]) -> bool:
    """Return whether tensors of such names are a CodeFormer's."""
    return "position_emb" in tensors and any(name.startswith(MARK) for name in tensors)


def load(tensors: Mapping[str, Any], where: Path, dtype: torch.dtype, device: str) -> CodeFormer:
    """Return the network of such tensors. Raises Incomplete or Mismatch naming the file."""
    try:
        sizes, fused = build_of(tensors)
    except (KeyError, IndexError, ValueError) as error:
        raise Mismatch(f"{where}: its tensors make no CodeFormer ({error}).") from None
    made = build(lambda: CodeFormer(sizes, fused), tensors, where, dtype=dtype, device=device)
    assert isinstance(made, CodeFormer)
    return made


def build_of(tensors: Mapping[str, Any]) -> tuple[Build, tuple[int, ...]]:
    """Return the sizes that tensors have, and the sides at which they are fused. Raises KeyError or ValueError."""
    places, wide = tensors["position_emb"].shape
    entries, code = tensors["quantize.embedding.weight"].shape
    inner = tensors["ft_layers.0.linear1.weight"].shape[0]
    layers = 1 + max(numbers("ft_layers", tensors))
    fused = tuple(sorted(numbers("fuse_convs_dict", tensors)))
    widths: list[int] = []
    for place in sorted(numbers("encoder.blocks", tensors)):
        if f"encoder.blocks.{place}.conv.weight" in tensors:
            widths.append(int(tensors[f"encoder.blocks.{place}.conv.weight"].shape[0]))
    last = max(numbers("encoder.blocks", tensors))
    widths.append(int(tensors[f"encoder.blocks.{last}.weight"].shape[1]))
    made = Build(tuple(widths), entries, code, wide, inner, layers, places)
    if made.bottom**2 != places or not set(fused) < {made.at(level) for level in range(len(widths))}:
        raise ValueError(f"{places} places, fused at {', '.join(map(str, fused))}")
    return made, fused


def numbers(lead: str, tensors: Mapping[str, Any]) -> set[int]:
    """Return the numbers that stand after `lead` in names."""
    pattern = re.compile(rf"{re.escape(lead)}\.(\d+)\.")
    return {int(found[1]) for name in tensors if (found := pattern.match(name))}
