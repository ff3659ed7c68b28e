"""Painting on canvases: encode them, sample under their masks, decode; what inpainting and outpainting share.

Knows latents and masks; does not know where canvases come from or what becomes of the work.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image as Pillow
from PIL import ImageChops
from PIL.Image import Image
from torch import Tensor

from easel.core.pictures import Mask, Soft
from easel.core.work import EncodeImages, Work, Worn
from easel.media.masks import cells_of
from easel.media.tensors import to_levels, to_masks, to_pixels, to_planes
from easel.models.family import Model
from easel.recipes.canvas import Canvas
from easel.recipes.common import Settled
from easel.recipes.conditioning import masked_conditioning
from easel.recipes.controls import led_by
from easel.recipes.decoding import decode
from easel.recipes.hints import Cut, brought
from easel.recipes.noise import noise_of
from easel.recipes.passes import Blend, Leader, Pass, sample
from easel.recipes.refiner import refined
from easel.recipes.soft import change_at, melted, pasting
from easel.recipes.starts import noisy
from easel.sampling.path import Evaluation
from easel.sampling.path import Path as NoisePath


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """What was painted: pixels (n, 3, height, width) in 0..1 at the working size, and how it is pasted.

    weights: L, one a picture; None where the canvas's own weight holds.
    """

    pixels: Tensor
    weights: tuple[Image | None, ...]


def paint(
    settled: Settled,
    leader: Leader,
    canvases: Sequence[Canvas],
    mask: Mask,
    refiner: Model | None = None,
    *,
    latents: Tensor | None = None,
    done: int = 0,
    steps: int | None = None,
    worn: tuple[Worn, ...] = (),
    seeds: Sequence[int] | None = None,
) -> Generator[Work, Any, Painted]:
    """Ask for all work of painting the request's pictures on n canvases, or on one that they share.

    settled: sigmas are those the strength leaves. mask: its fill, weight and softness count here. latents: of the
    canvases, where they are known. done, steps: as in Pass. seeds: one a canvas, in place of the request's.
    """
    model = leader.model
    pixels = to_pixels([canvas.working for canvas in canvases])
    known: Tensor = (yield EncodeImages(model, pixels, settled.request.alone, worn)) if latents is None else latents
    cells = cells_in(canvases, model, rounded=mask.soft is None)
    hidden = to_levels([canvas.mask for canvas in canvases])
    hidden = hidden if mask.soft else hidden.round()
    extra = yield from masked_conditioning(settled, model, pixels, hidden, mask.weight, worn)
    working, holes = [canvas.working for canvas in canvases], [canvas.mask for canvas in canvases]
    acting = yield from led_by(settled, model, pictures=working, holes=holes, cut=cut_by(canvases))
    noise, pictures = noise_of(settled, model, seeds)
    clean = beginning(known, cells, noise, mask.fill)
    x = noisy(settled, model, clean, noise)
    blend = blending(clean, cells, mask.soft, model.path)
    plain = Pass(settled, leader, x, pictures, blend=blend, extra=extra, worn=worn, done=done, steps=steps)
    first = replace(plain, acting=acting)
    one = yield from refined(first, refiner)
    new = yield from sample(one)
    if mask.soft is None:
        new = clean + (new - clean) * cells
    found = yield from decode(settled, one.last_leader.model, new, worn)
    return Painted(found, weights_of(mask.soft, clean, new, cells, canvases))


def cut_by(canvases: Sequence[Canvas]) -> Cut | None:
    """Return what cuts of a picture over the whole the parts that are worked on; None where all of it is."""
    if all(canvas.box == (0, 0, *canvas.picture.size) for canvas in canvases):
        return None
    return lambda image, how: [brought(image, canvas.picture.size, how).crop(canvas.box) for canvas in canvases]


def cells_in(canvases: Sequence[Canvas], model: Model, *, rounded: bool) -> Tensor:
    """Return the canvases' masks over latent cells, (n, 1, height, width) in 0..1."""
    width, height = (side // model.latent.downscale for side in canvases[0].working.size)
    return to_planes([cells_of(canvas.mask, (width, height), rounded=rounded) for canvas in canvases])


def beginning(latents: Tensor, cells: Tensor, noise: Tensor, fill: str) -> Tensor:
    """Return the clean latents that the work begins with, noise or nothing standing under the mask where asked."""
    if fill == "latent noise":
        return latents * (1 - cells) + noise * cells
    return latents * (1 - cells) if fill == "latent nothing" else latents


def blending(clean: Tensor, cells: Tensor, soft: Soft | None, path: NoisePath) -> Blend:
    """Return what keeps every evaluation to the picture outside the mask."""

    def hard(denoised: Tensor, evaluation: Evaluation) -> Tensor:
        return denoised * cells + clean * (1 - cells)

    def melting(denoised: Tensor, evaluation: Evaluation) -> Tensor:
        assert soft is not None
        share = change_at(soft, cells, path.ratio(evaluation.sigma))
        return melted(clean, denoised, share, soft.contrast)

    return melting if soft else hard


def weights_of(
    soft: Soft | None, clean: Tensor, new: Tensor, cells: Tensor, canvases: Sequence[Canvas]
) -> tuple[Image | None, ...]:
    """Return how each picture is pasted: by its canvas, or for soft inpainting by how much each place has changed."""
    if soft is None:
        return (None,) * len(new)
    shares = to_masks(pasting(soft, clean, new, cells))
    shared = canvases if len(canvases) == len(new) else [canvases[0]] * len(new)
    return tuple(
        within(canvas, share.resize(canvas.working.size, Pillow.Resampling.BICUBIC))
        for canvas, share in zip(shared, shares, strict=True)
    )


def within(canvas: Canvas, share: Image) -> Image:
    """Return a weight at the working size as one of the whole picture, 0 wherever the mask leaves the picture alone."""
    whole = Pillow.new("L", canvas.picture.size)
    whole.paste(canvas.part(share), canvas.box[:2])
    return ImageChops.multiply(whole, canvas.weight.point([0] + [255] * 255))
