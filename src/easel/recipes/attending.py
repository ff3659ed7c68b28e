"""Regions found by words: where the model itself looks for them in a picture.

The picture is encoded, noised to a few middling levels, and shown to the U-Net, which leaves where it attends
(adapters/attended.py). Words of the prompt are held against its other words, after DAAM (Tang et al. 2022,
arXiv:2210.04885). Other words are shown alone; there the attention is weighed by how much better they explain each
place than no words do, as Couairon et al. 2022 (arXiv:2210.11427) hold a text against another. Needs no weights beside
the model's. Knows latents and words; paints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL.Image import Image, Resampling
from torch import Tensor

from easel.adapters.attended import ALL, LATE, Attended, maps_in
from easel.core.errors import Unsupported
from easel.core.work import Encode, EncodeImages, Evaluate, Memory, Rows, Text, Work
from easel.media.tensors import to_pixels
from easel.models.family import Model
from easel.models.words.conditioning import Conditioning
from easel.models.words.places import Places, places_of
from easel.models.words.vectors import named, widths_of
from easel.post.regions import Region, in_map
from easel.prompt.plan import plan
from easel.recipes.common import Settled
from easel.recipes.conditioning import blank_conditioning
from easel.recipes.leads import WornNetworks, bare, load_networks
from easel.recipes.noise import noise_of

LEVELS = (0.1, 0.25, 0.4)  # of the model's time: things stand already, and the words still count
LEAST_OTHER = 0.01  # of the mean attention, so that what nobody attends to is nobody's
SMOOTH, SMOOTH_GAIN = 1 / 32, 1 / 16  # of the latent's shorter side, standard deviation of what is smoothed
FEW = 1  # other tokens of a text at least, for words to be held against them


@dataclass(frozen=True, slots=True)
class Sought:
    """Words that are looked for. text: what they are shown in; places: where in it they stand.

    alone: whether it says nothing else, so that they are held against no words at all.
    """

    text: Text
    places: Places
    alone: bool


def regions_by_words(
    find: str, images: Sequence[Image], settled: Settled, model: Model, *, least: float
) -> Generator[Work, Any, list[list[Region]]]:
    """Return for each picture, of one size, where the model looks for words; commas part several things to look for.

    settled: of the request whose pictures they are. least: 0..1, share of the strongest attention that belongs to a
    region. Raises Unsupported for a model without a U-Net.
    """
    if "unet" not in model.parts:
        remedy = 'find by "faces", "model" or "mask", or give the detail a model that has one'
        raise Unsupported(f"words are looked for by a U-Net, which {model.name} has not; {remedy}.")
    phrases = list(dict.fromkeys(one for phrase in find.split(",") if (one := phrase.strip())))
    request = settled.request
    worn = yield from load_networks(request.prompt)
    sought = [sought_in(phrase, settled, model, worn) for phrase in phrases]
    nothing = replace(sought[0].text, text="")
    texts = tuple(dict.fromkeys([one.text for one in sought] + [nothing] * any(one.alone for one in sought)))
    encoded: list[Conditioning] = yield Encode(model, texts, request.alone)
    leads = dict(zip(texts, encoded, strict=True))

    seen = size_seen(images[0].size, model)
    shown = [image.convert("RGB").resize(seen, Resampling.LANCZOS) for image in images]
    latents: Tensor = yield EncodeImages(model, to_pixels(shown), request.alone)
    small = replace(settled, width=seen[0], height=seen[1])
    noise, _ = noise_of(small, model)
    extra = yield from blank_conditioning(small, model)
    looks = [Look(latents) for _ in texts]
    for sigma in levels_of(model, seen):
        x = model.path.noised(latents, noise, sigma)
        for text, look in zip(texts, looks, strict=True):
            memories: list[Memory] = [{} for _ in images]
            rows = rows_of(x, sigma, leads[text], extra, worn, memories)
            look.add((yield Evaluate(model, rows, alone=request.alone)), memories)
    by_text = dict(zip(texts, looks, strict=True))
    empty = by_text.get(nothing)
    maps = [weighed(one, by_text[one.text], empty if one.alone else None) for one in sought]
    return [
        [region for found in maps for region in in_map(found[place].numpy(), image.size, least)]
        for place, image in enumerate(images)
    ]


class Look:
    """What the model showed of n pictures under one text, level after level: where it attended, how far it was off."""

    def __init__(self, latents: Tensor) -> None:
        self._latents = latents
        self.errors: list[Tensor] = []  # (n, height, width) each
        self._all: list[Tensor] = []  # (n, tokens, height, width) each
        self._late: list[Tensor] = []

    def add(self, denoised: Tensor, memories: Sequence[Memory]) -> None:
        """Take what one level gave."""
        sides = int(denoised.shape[-2]), int(denoised.shape[-1])
        self.errors.append((denoised - self._latents).square().sum(1))
        self._all.append(torch.stack([maps_in(memory, ALL, sides) for memory in memories]))
        self._late.append(torch.stack([maps_in(memory, LATE, sides) for memory in memories]))

    def attention(self, tokens: Sequence[int], *, late: bool = False) -> Tensor:
        """Return the attention to all of some tokens together, (n, height, width)."""
        return torch.stack(self._late if late else self._all).sum(0)[:, list(tokens)].sum(1)


def sought_in(phrase: str, settled: Settled, model: Any, worn: WornNetworks) -> Sought:
    """Return words as they are shown to a model: within the prompt where it says them and others, else alone."""
    request = settled.request
    encoder = model.text
    parts = plan(bare(request.prompt), settled.calls, old=request.words.old_editing)
    for said in (*(part.held[-1].text for part in parts), phrase):
        text = Text(said, words=request.words, networks=worn.text)
        (embeddings,) = named([text], sorted(widths_of(model.parts)), model.machine)
        places = places_of(phrase, encoder.reader, text, embeddings)
        alone = said == phrase or len(places.text) - len(places.words) < FEW
        if places.words and not (alone and said != phrase):
            return Sought(text, places, alone)
    raise Unsupported(f"{model.name} has no tokens for the words {phrase!r}; find others.")


def size_seen(size: tuple[int, int], model: Model) -> tuple[int, int]:
    """Return width and height at which a picture of `size` is looked at: no larger than the model usually draws."""
    room = model.defaults.width * model.defaults.height
    scale = min(1.0, math.sqrt(room / (size[0] * size[1])))
    multiple = model.latent.multiple
    width, height = (max(round(side * scale / multiple), 1) * multiple for side in size)
    return width, height


def levels_of(model: Model, size: tuple[int, int]) -> list[float]:
    """Return the noise levels at which a picture is looked at."""
    table = model.levels_at(*size).table
    return [table[int(share * len(table))] for share in LEVELS]


def rows_of(
    x: Tensor,
    sigma: float,
    lead: Conditioning,
    extra: dict[str, Tensor],
    worn: WornNetworks,
    memories: Sequence[Memory],
) -> Rows:
    """Return a row a picture under one text, each leaving its attention in a memory of its own."""
    count = len(x)
    return Rows(
        x=x,
        sigma=torch.full((count,), sigma, dtype=torch.float64),
        context=lead.context.expand(count, *lead.context.shape),
        extra={name: value.expand(count, *value.shape) for name, value in lead.extra.items()}
        | {name: value.expand(count, *value.shape[1:]) for name, value in extra.items()},
        networks=(worn.denoiser,) * count if worn.denoiser else (),
        keeps=tuple(((Attended(), memory),) for memory in memories),
    )


def weighed(sought: Sought, look: Look, empty: Look | None) -> Tensor:
    """Return how strongly each place shows words, (n, height, width) from 0. empty: what no words at all gave."""
    late = look.attention(sought.places.words, late=True)
    if empty is not None:
        pairs = zip(empty.errors, look.errors, strict=True)
        gains = [without - by for without, by in pairs]
        gain = torch.stack([one / each(one.abs(), "mean") for one in gains]).sum(0)
        share, late = between(softened(gain, SMOOTH_GAIN)), between(late) ** 2
    else:
        own, said = look.attention(sought.places.words), look.attention(sought.places.text)
        share = between(own / (said + LEAST_OTHER * each(said, "mean")))
    return softened(share**2 * late, SMOOTH).clamp(min=0)  # squared: what is half another's counts a quarter


def each(values: Tensor, how: str) -> Tensor:
    """Return the "mean", "amin" or "amax" of each picture's values, (n, 1, 1); never 0."""
    found: Tensor = getattr(values, how)((-2, -1), keepdim=True)
    return found.clamp(min=torch.finfo(values.dtype).tiny) if how == "mean" else found


def between(values: Tensor) -> Tensor:
    """Return each picture's values from 0 at their least to 1 at their greatest; 1 where they are all alike."""
    low, high = each(values, "amin"), each(values, "amax")
    alike = high - low <= 1e-9 * high.abs()
    return torch.where(alike, 1.0, (values - low) / torch.where(alike, 1.0, high - low))


def softened(values: Tensor, share: float) -> Tensor:
    """Return (n, height, width) smoothed by a Gaussian, its deviation a share of the shorter side."""
    sigma = min(values.shape[-2:]) * share
    radius = max(1, min(math.ceil(2 * sigma), min(values.shape[-2:]) - 1))
    line = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / max(sigma, 0.3)) ** 2)
    line = line / line.sum()
    wide = torch.nn.functional.pad(values[:, None], (radius,) * 4, mode="replicate")
    across = torch.nn.functional.conv2d(wide, line[None, None, None, :])
    return torch.nn.functional.conv2d(across, line[None, None, :, None])[:, 0]
