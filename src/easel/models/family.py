"""What a family of models owes the rest of the house, and the table of families.

A family is one file; its model answers the four verbs of a recipe: encode, encode_images, predict, decode.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from easel.core.settings import Settings
from easel.models.layouts.identify import Identity

if TYPE_CHECKING:
    from torch import Tensor, nn

    from easel.core.work import Rows, Text
    from easel.models.accelerate import Machine
    from easel.models.autoencoder import Autoencoder
    from easel.models.layouts.sources import Source
    from easel.models.words.conditioning import Conditioning
    from easel.sampling.levels import Levels
    from easel.sampling.path import Path as NoisePath


@dataclass(frozen=True, slots=True)
class Defaults:
    """A model's own habits, used where a request is silent."""

    width: int
    height: int
    steps: int = 20
    sampler: str = "DPM++ 2M"
    schedule: str = "Automatic"
    scale: float = 7.0


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """Shape of the latent: channels, pixels that a cell covers along a side, of which number sides are multiples."""

    channels: int = 4
    downscale: int = 8
    multiple: int = 8


class Model(Protocol):
    """A loaded model: immutable data and four verbs; per-request state lives elsewhere.

    hash: of the weights, ten hex digits as in infotext, or "" where their files are gone. machine: where forwards run.
    inpaints: whether the denoiser is an inpainting checkpoint, which reads mask and masked picture as rows' extra
    "inpaint", (n, 1 + channels, height, width). distilled: whether guidance is distilled into the denoiser, which reads
    its scale as rows' extra "distilled", (n,). parts: the networks by diffusers' names of their folders.
    """

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def defaults(self) -> Defaults: ...
    @property
    def latent(self) -> LatentFormat: ...
    @property
    def path(self) -> NoisePath: ...
    @property
    def inpaints(self) -> bool: ...
    @property
    def distilled(self) -> bool: ...
    @property
    def levels(self) -> Levels: ...
    @property
    def parts(self) -> Mapping[str, nn.Module]: ...

    def key(self, verb: str) -> Hashable:
        """Return who performs a verb ("encode", "encode_images", "predict", "decode"); equals share forwards."""
        ...

    def levels_at(self, width: int, height: int) -> Levels:
        """Return the noise levels for pictures of this size in pixels; most models have the same for all.

        Raises BadValue for a size that the model cannot draw.
        """
        ...

    def encode(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Return one conditioning a text; each text is encoded as if alone."""
        ...

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return latents (n, channels, height / 8, width / 8) float32 for pixels (n, 3, height, width) in 0..1."""
        ...

    def predict(self, rows: Rows) -> Tensor:
        """Return the denoised latent of each row, (n, channels, height, width) float32."""
        ...

    def decode(self, latents: Tensor, tile: int = 0) -> Tensor:
        """Return pixels (n, 3, height, width) float32 in 0..1 for latents (n, channels, height / 8, width / 8).

        tile: side in pixels of the tiles in which to work, for less memory and the same picture; 0 works whole.
        """
        ...

    def replaced(self, *, vae: Autoencoder) -> Model:
        """Return this model with another autoencoder, sharing all else. Raises Mismatch where latents differ."""
        ...


FAMILIES = {
    "sd": "easel.models.sd",
    "sdxl": "easel.models.sdxl",
    "sd3": "easel.models.sd3",
    "flux": "easel.models.flux",
}


def load(
    identity: Identity, settings: Settings, *, source: Source | None = None, machine: Machine | None = None
) -> Model:
    """Return the model of `identity`, loaded by its family.

    source: its parts, where they do not all come from its own files. machine: where it runs; that of the settings.
    Raises ModelError naming the file, ResourceError for the device.
    """
    from easel.models.accelerate import machine_for
    from easel.models.layouts.sources import source_of

    family = import_module(FAMILIES[identity.family])
    return family.load(identity, source or source_of(identity), machine or machine_for(settings))
