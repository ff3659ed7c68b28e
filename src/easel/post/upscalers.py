"""Upscalers by A1111's names: some enlarge latents, some pictures.

The listing loads neither torch nor Pillow, so that doors can show it at once. What is in no list here is a learned
upscaler's file: upscale.py reads it. It does not know who enlarges what for: the hires pass and tiled upscaling do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from easel.core.errors import Unsupported
from easel.core.registry import Entry, Registry
from easel.core.work import Wanted

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from easel.models.library.names import Library

LATENTS, PIXELS = "latents", "pixels"

Upscaler = Callable[..., Any]

# On latents: (latents (n, channels, height, width), width, height in cells) to latents of that size.
# On pixels: (one image, width, height in pixels) to an image of that size.
upscalers: Registry[Upscaler] = Registry("upscaler", listing="`easel models upscalers`")


def interpolated(latents: Tensor, width: int, height: int, mode: str, antialias: bool) -> Tensor:
    """Return latents (n, channels, h, w) at another size in cells, by torch's interpolation."""
    import torch

    return torch.nn.functional.interpolate(latents, (height, width), mode=mode, antialias=antialias)


@upscalers.register("Latent", works_on=LATENTS)
def latent(latents: Tensor, width: int, height: int) -> Tensor:
    """Bilinear between latent cells: quick and soft, wants a strength of 0.5 or more."""
    return interpolated(latents, width, height, "bilinear", False)


@upscalers.register("Latent (antialiased)", works_on=LATENTS)
def latent_antialiased(latents: Tensor, width: int, height: int) -> Tensor:
    """Bilinear, smoothed where it makes smaller."""
    return interpolated(latents, width, height, "bilinear", True)


@upscalers.register("Latent (bicubic)", works_on=LATENTS)
def latent_bicubic(latents: Tensor, width: int, height: int) -> Tensor:
    """Bicubic between latent cells."""
    return interpolated(latents, width, height, "bicubic", False)


@upscalers.register("Latent (bicubic antialiased)", works_on=LATENTS)
def latent_bicubic_antialiased(latents: Tensor, width: int, height: int) -> Tensor:
    """Bicubic, smoothed where it makes smaller."""
    return interpolated(latents, width, height, "bicubic", True)


@upscalers.register("Latent (nearest)", works_on=LATENTS)
def latent_nearest(latents: Tensor, width: int, height: int) -> Tensor:
    """Each cell repeated, by torch's older rounding."""
    return interpolated(latents, width, height, "nearest", False)


@upscalers.register("Latent (nearest-exact)", works_on=LATENTS)
def latent_nearest_exact(latents: Tensor, width: int, height: int) -> Tensor:
    """Each cell repeated, rounded as Pillow does."""
    return interpolated(latents, width, height, "nearest-exact", False)


@upscalers.register("None", works_on=PIXELS)
def none(image: Image, width: int, height: int) -> Image:
    """No upscaler: plain resizing, which in A1111 is Lanczos's."""
    return lanczos(image, width, height)


@upscalers.register("Lanczos", works_on=PIXELS)
def lanczos(image: Image, width: int, height: int) -> Image:
    """Lanczos with a window of three."""
    from PIL import Image

    return image.resize((width, height), Image.Resampling.LANCZOS)


@upscalers.register("Nearest", works_on=PIXELS)
def nearest(image: Image, width: int, height: int) -> Image:
    """Each pixel repeated."""
    from PIL import Image

    return image.resize((width, height), Image.Resampling.NEAREST)


def names_of(library: Library, works_on: str | None = None) -> tuple[str, ...]:
    """Return the names of all upscalers, or of those of latents or of pictures: the registry's, then the files'."""
    own = tuple(entry.name for entry in upscalers if works_on in (None, entry.facts["works_on"]))
    return own if works_on == LATENTS else (*own, *library.places("upscaler"))


def wanted_upscaler(name: str) -> Wanted | None:
    """Return what is to be loaded for an upscaler: a file's network, nothing for one of the registry."""
    return None if name in upscalers else Wanted("upscaler", name)


def of_latents(name: str) -> Entry[Upscaler] | None:
    """Return the upscaler of latents of this name, None where it is one of pictures."""
    return upscalers[name] if name in upscalers and upscalers[name].facts["works_on"] == LATENTS else None


def shown_name(name: str) -> str:
    """Return what infotext calls an upscaler: the registry's own spelling, a file's name as it was given."""
    return upscalers[name].name if name in upscalers else name


def check_pixels(name: str, purpose: str) -> None:
    """Raise Unsupported for an upscaler of latents where one of pictures is needed; files are looked up elsewhere."""
    if name in upscalers:
        of_pixels(name, purpose)


def of_pixels(name: str, purpose: str) -> Entry[Upscaler]:
    """Return the upscaler of this name where one of pictures is needed. Raises UnknownName, Unsupported."""
    entry = upscalers[name]
    if entry.facts["works_on"] != PIXELS:
        fitting = ", ".join(other.name for other in upscalers if other.facts["works_on"] == PIXELS)
        raise Unsupported(f"upscaler {entry.name!r} enlarges latents, {purpose} needs one of pictures: {fitting}.")
    return entry
