"""One loaded image prompt (IP-Adapter): once a request it reads pictures, then it leads rows at every forward.

What it prepares are the keys and values of each cross-attention, so that a forward costs the one product more that
reads them, and the adapter's own weights need not be where forwards run. Knows U-Nets, and readers by what they give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from easel.adapters.networks.rows import Rack
from easel.adapters.pictures.attention import Led, grouped, reading
from easel.adapters.pictures.faces import Face, FaceReader, faces_of, load_face_reader
from easel.adapters.pictures.fitting import crosses_for, lora_for, unet_of
from easel.adapters.pictures.opening import Seen, opened, pictures_among, region_of
from easel.adapters.pictures.projections import Projection
from easel.adapters.pictures.reading import PictureFile
from easel.core.control import ImagePrompt
from easel.core.errors import BadValue, Mismatch
from easel.core.work import Act, Rows, Wanted
from easel.media.tensors import to_levels
from easel.models.accelerate import Machine
from easel.models.vision import Tower, wanted_reader

HALVINGS = 8  # sizes of attentions that a region is made ready for: each half of the one before


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What rows read of a request's pictures: those that words lead, and those that words lead away from."""

    positive: Led
    negative: Led


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What belongs to one U-Net: its cross-attentions in order, and the adapter's LoRA made ready for it."""

    attentions: tuple[nn.Module, ...]
    lora: Rack | None


@dataclass(frozen=True, eq=False)
class ImagePromptAdapter:
    """A row adapter; see core/work.py. file: what it was read from.

    keys, values: its linear layers of each cross-attention, (channels, width), as the file has them. lora: the tensors
    of a LoRA, by number of an attention, its layer and half.
    """

    file: PictureFile
    projection: Projection
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    lora: Mapping[tuple[int, str, str], Tensor]
    machine: Machine
    _fits: WeakKeyDictionary[nn.Module, Fit] = field(default_factory=WeakKeyDictionary[nn.Module, Fit], repr=False)

    @contextmanager
    def acting(self, model: Any, rows: Rows, acts: Sequence[Act | None]) -> Iterator[Mapping[str, Tensor]]:
        """Let row i of a forward of `model` read what acts[i] prepared, by its strength. Tells the denoiser nothing."""
        fit = self.fit(model)
        like = torch.empty(0, dtype=model.machine.dtype, device=model.machine.device)
        groups = grouped([None if act is None else (act.prepared, act.strength) for act in acts], like)
        with ExitStack() as stack:
            if fit.lora is not None:
                stack.enter_context(fit.lora.on([None if act is None else 0 for act in acts]))
            stack.enter_context(reading(fit.attentions, groups))
            yield {}

    def prepare(self, model: Any, prompt: ImagePrompt, tower: Tower | None, cells: tuple[int, int]) -> Prepared:
        """Return what rows of a model read of an image prompt's pictures. Raises BadValue, or Mismatch for the model.

        tower: what `wanted_tower` asked for. cells: height and width of the latents, to which a region is brought.
        """
        self.fit(model)
        weights = prompt.weights or (1.0,) * len(prompt.images)
        if not any(weights):
            raise BadValue("image_prompts.weights", weights, "one above 0 at least")
        positive, negative = self.tokens(opened(prompt), tower)
        region = shares(region_of(prompt), cells, self.machine)
        count, mean = len(weights), sum(weights) / len(weights)
        if prompt.combine == "average":
            shared = torch.tensor(weights, device=positive.device, dtype=positive.dtype).view(-1, 1, 1)
            positive, weights = (positive * shared).sum(0, keepdim=True) / (count * mean), (mean,)
        return Prepared(self.led(positive, weights, region), self.led(negative, (mean,), region))

    def tokens(self, seen: Sequence[Seen], tower: Tower | None) -> tuple[Tensor, Tensor]:
        """Return the tokens of each picture, (n, tokens, width), and those of no picture, (1, tokens, width).

        No picture is zeros where one vector tells of a picture, and a grey one where its patches do. Raises BadValue,
        Mismatch.
        """
        made, reads = self.file.made, self.file.kind.reads
        found = self.faces(seen) if made.face else []
        faces = torch.from_numpy(numpy.stack([face.embedding for face in found])) if found else None
        if not reads:
            return self.projection.tokens(None, faces), self.projection.tokens(None, nobody(faces))
        if tower is None or tower.file.width(reads) != made.read:
            other = "none was given" if tower is None else f"{tower.file.path} gives {tower.file.width(reads)}"
            raise Mismatch(f"{self.file.path}: needs a picture reader that gives {reads} {made.read} wide; {other}.")
        pixels = tower.pixels(pictures_among([face.picture for face in found] if found else seen))
        given = tower.read(pixels, reads)
        nothing = tower.read(torch.zeros_like(pixels[:1]), reads) if reads == "states" else torch.zeros_like(given[:1])
        return self.projection.tokens(given, faces), self.projection.tokens(nothing, nobody(faces))

    def faces(self, seen: Sequence[Seen]) -> list[Face]:
        """Return the face in each picture, or that of an embedding. Raises BadValue, or Unsupported for InsightFace."""
        reader = self._reader if any(isinstance(one, Image.Image) for one in seen) else None
        return faces_of(seen, reader, self.file.made.face, normed=self.file.normed)

    def led(self, tokens: Tensor, weights: Sequence[float], region: Mapping[int, Tensor]) -> Led:
        """Return what rows read of tokens (pictures, tokens, width), of each picture times its weight."""
        dtype = self.machine.dtype
        shares = torch.tensor(weights, device=tokens.device, dtype=tokens.dtype).view(-1, 1, 1)

        def through(layer: Tensor, factor: Tensor | float) -> Tensor:
            made = F.linear(tokens, layer.to(tokens.device, tokens.dtype)) * factor
            return made.flatten(0, 1).to(dtype)

        keys = tuple(through(layer, 1.0) for layer in self.keys)
        return Led(keys, tuple(through(layer, shares) for layer in self.values), region)

    def fit(self, model: Any) -> Fit:
        """Return what belongs to a model's U-Net. Raises Mismatch where the adapter is not made for it."""
        unet = unet_of(self.file, model)
        if unet not in self._fits:
            crosses = crosses_for(self.file, unet, model.name, [layer.shape for layer in self.keys])
            lora = lora_for(self.file, unet, self.lora)
            rack = Rack(unet, [((lora, 1.0),)]) if lora is not None else None
            self._fits[unet] = Fit(tuple(crosses), rack)
        return self._fits[unet]

    @cached_property
    def _reader(self) -> FaceReader:
        return load_face_reader(on_card=self.machine.device == "cuda")


def wanted_tower(adapter: ImagePromptAdapter, model: Any, prompt: ImagePrompt) -> Wanted | None:
    """Return the picture reader to load for an image prompt; None where the adapter reads none (FaceID).

    Raises Mismatch where the adapter is not made for the model.
    """
    adapter.fit(model)
    reads = adapter.file.kind.reads
    if not reads:
        return None
    if prompt.reader is not None:
        return Wanted("clip_vision", prompt.reader)
    return wanted_reader(reads, adapter.file.made.read, model.name)


def nobody(faces: Tensor | None) -> Tensor | None:
    """Return the embedding of no face, (1, width)."""
    return None if faces is None else torch.zeros_like(faces[:1])


def shares(region: Image.Image | None, cells: tuple[int, int], machine: Machine) -> dict[int, Tensor]:
    """Return the share of a region in each place of an attention, (places,) by the number of places.

    cells: height and width of the latents. A U-Net halves both, rounding up.
    """
    if region is None:
        return {}
    levels, (height, width) = to_levels([region]), cells
    found: dict[int, Tensor] = {}
    for _ in range(HALVINGS):
        share = F.interpolate(levels, size=(height, width), mode="area").flatten()
        found.setdefault(height * width, share.to(machine.device, machine.dtype))
        height, width = -(-height // 2), -(-width // 2)
    return found
