"""Noise: one generator for each picture, so that picture i of a batch is the picture of seed + i alone.

The first draw is the starting noise; later draws of the same generators serve ancestral samplers, as A1111 has it.
Sources are "CPU" (torch's Mersenne twister) and "NV" (an imitation of CUDA's, `philox.py`); neither asks for a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from easel.core.errors import UnknownName
from easel.core.registry import Entry
from easel.sampling.samplers import Noise, Sampler

if TYPE_CHECKING:
    from torch import Tensor, device

Source = Literal["CPU", "NV"]
SOURCES = ("CPU", "NV")
LARGEST_SEED = 2**64


class Drawing(Protocol):
    """A stream of normal noise."""

    def randn(self, shape: Sequence[int]) -> Tensor:
        """Return the next draw, float32 on the CPU."""
        ...


class Twister:
    """torch's own CPU generator."""

    def __init__(self, seed: int) -> None:
        import torch

        self._generator = torch.Generator("cpu").manual_seed(seed % LARGEST_SEED)

    def randn(self, shape: Sequence[int]) -> Tensor:
        import torch

        return torch.randn(tuple(shape), generator=self._generator)


def drawing(seed: int, source: str) -> Drawing:
    """Return the stream of this seed; any whole seed, taken modulo 2^64."""
    if source == "CPU":
        return Twister(seed)
    if source == "NV":
        from easel.sampling.philox import Philox

        return Philox(seed)
    raise UnknownName("noise source", source, SOURCES)


class PictureNoise:
    """Independent noise of some pictures, each from its own generator; itself a sampler's `noise`.

    seeds: one a picture. shape: (channels, height, width) of one picture.
    device: where draws are sent; they are made on the CPU.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Sequence[int],
        source: str = "CPU",
        *,
        device: device | str | None = None,
    ) -> None:
        self.seeds = tuple(seeds)
        self.shape = tuple(shape)
        self.source = source
        self.device = device
        self._drawings = [drawing(seed, source) for seed in self.seeds]

    def draw(self) -> Tensor:
        """Return the next noise of all pictures, (n, channels, height, width) float32."""
        import torch

        return torch.stack([one.randn(self.shape) for one in self._drawings]).to(self.device)

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        return self.draw()

    def moved(self, offset: int) -> PictureNoise:
        """Return fresh generators of seeds + offset, A1111's eta noise seed delta (ENSD)."""
        return PictureNoise([seed + offset for seed in self.seeds], self.shape, self.source, device=self.device)


def noise_for(sampler: Entry[Sampler], pictures: PictureNoise, sigmas: Sequence[float], *, ensd: int = 0) -> Noise:
    """Return the noise that `sampler` asks for over `sigmas`, the starting noise being drawn from `pictures` before.

    ensd: added to the seeds of independent noise after the first; Brownian trees keep the pictures' own seeds.
    """
    if sampler.facts["noise"] == "brownian":
        from easel.sampling.brownian import BrownianNoise

        return BrownianNoise(pictures, min(sigma for sigma in sigmas if sigma > 0), max(sigmas))
    return pictures.moved(ensd) if ensd else pictures
