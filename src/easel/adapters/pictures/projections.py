"""From what a reader gives of pictures to tokens, by diffusers' own projections.

Knows one projection and its numbers; does not know who reads pictures, nor who reads tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from easel.adapters.pictures.reading import PictureFile
from easel.models.accelerate import Machine
from easel.models.files.weights import build, read_tensors
from easel.models.layouts.sources import pieces_of


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A loaded projection. shortcut: whether a face's tokens are added to what is made of them."""

    module: nn.Module
    shortcut: bool
    machine: Machine

    def tokens(self, seen: Tensor | None, faces: Tensor | None) -> Tensor:
        """Return tokens (n, tokens, width) on the device.

        seen: what a picture reader gives, (n, width) or (n, places, width); faces: embeddings (n, width); None for what
        the kind does not read.
        """
        there = [self.given(one) for one in (seen, faces) if one is not None]
        with self.machine.using(self.module):
            if len(there) == 2:
                return resampled(self.module, *there, shortcut=self.shortcut)
            return self.module(*there)

    def given(self, numbers: Tensor) -> Tensor:
        """Return numbers as the projection reads them."""
        return numbers.to(self.machine.device, self.machine.exact)


def resampled(module: Any, seen: Tensor, faces: Tensor, *, shortcut: bool) -> Tensor:
    """Return the tokens of FaceID plus, (n, tokens, width): those of faces, led by patches `seen`.

    diffusers' module would keep the patches in itself, where another request's might stand.
    """
    begin = module.norm(module.proj(faces).reshape(-1, module.num_tokens, module.embed_dim))
    read = module.proj_in(seen)
    tokens = begin
    for block in module.layers:
        tokens = block(read, tokens, tokens)
    tokens = module.norm_out(module.proj_out(tokens))
    return begin + tokens if shortcut else tokens


def load_projection(file: PictureFile, machine: Machine) -> Projection:
    """Return the projection of a file. Raises ModelError naming it."""
    kind: Any = getattr(import_module("diffusers.models.embeddings"), file.kind.module)
    tensors: dict[str, Any] = {}
    names: dict[str, str] = {}
    for key, tensor in read_tensors((file.path,), file.places).items():
        for name, piece in pieces_of(file.path, key, file.places[key], tensor):
            tensors[name], names[name] = piece, key
    module = build(
        lambda: kind(**file.made.config),
        tensors,
        file.path,
        dtype=machine.exact,
        device=machine.home,
        keep=machine.exact_weights,
        names=names,
    )
    return Projection(module, file.shortcut, machine)
