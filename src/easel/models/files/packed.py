"""A weight kept in few bits, as its file has it: GGUF blocks, nf4, float8 with or without a scale.

It has the shape of the weight it stands for and can be cut and joined by rows; full numbers are made on request, a
piece at a time. Knows no file and no layer; the arithmetic of each kind is in models/files/unpacking.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from easel.models.files.unpacking import numbers, ways

PIECE = 2**20  # numbers made at a time on a processor: what is between codes and numbers stays in its cache


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A weight of `shape` in the packing `kind`.

    kind: "Q4_0", "Q8_0", "Q4_K" and the like for GGUF, "NF4", "FP4", "fp8 scaled", or plain "F8_E4M3", "F8_E5M2",
    "F16" and "BF16".
    tensors: "codes", (lines, what a line takes), and what belongs to them. A line is a row of the weight's first axis,
    or one block where blocks reach over the ends of rows; then rows cannot be cut.
    """

    kind: str
    shape: tuple[int, ...]
    tensors: Mapping[str, Tensor]

    @property
    def ndim(self) -> int:
        """The number of axes of the weight."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that it takes as it is."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.tensors["codes"].device

    @property
    def lines(self) -> int:
        """The number of its lines: the rows, where it can be cut by rows."""
        return len(self.tensors["codes"])

    @property
    def by_rows(self) -> bool:
        """Whether a line is a row, so that rows can be taken as they are."""
        return self.ndim > 0 and self.lines == self.shape[0]

    def to(self, device: str | torch.device) -> Packed:
        """Return the same on a device."""
        return replace(self, tensors={name: tensor.to(device) for name, tensor in self.tensors.items()})

    def reshaped(self, *shape: int) -> Packed:
        """Return the same under another shape of as many numbers and as many rows. Raises ValueError otherwise."""
        if math.prod(shape) != math.prod(self.shape) or shape[:1] != self.shape[:1]:
            raise ValueError(f"a packed weight {self.shape} cannot be seen as {shape}")
        return replace(self, shape=tuple(shape))

    def rows(self, start: int, stop: int) -> Packed | Tensor:
        """Return rows start to stop of the first axis; in float32 where a block reaches over the end of a row."""
        if not 0 <= start <= stop <= self.shape[0]:
            raise ValueError(f"rows {start} to {stop} of {self.shape[0]}")
        if not self.by_rows:
            return self.unpacked(torch.float32)[start:stop]
        cut = {name: tensor[start:stop] if self.lined(name) else tensor for name, tensor in self.tensors.items()}
        return replace(self, shape=(stop - start, *self.shape[1:]), tensors=cut)

    def picked(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the rows that `ids` names, (*ids.shape, *shape[1:]), as an embedding does."""
        if not self.by_rows:
            return self.unpacked(dtype)[ids]
        flat = ids.flatten()
        taken = {name: tensor[flat] if self.lined(name) else tensor for name, tensor in self.tensors.items()}
        found = replace(self, shape=(len(flat), *self.shape[1:]), tensors=taken).unpacked(dtype)
        return found.view(*ids.shape, *self.shape[1:])

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """Return the weight in full numbers; made in float32 and rounded once."""
        codes = self.tensors["codes"]
        found = torch.empty(self.shape, dtype=dtype, device=codes.device)
        if not found.numel():
            return found
        whole = found.view(self.lines, -1)
        step = max(PIECE // whole.shape[1], 1) if codes.device.type == "cpu" else self.lines
        for first in range(0, self.lines, step):
            piece = slice(first, first + step)
            cut = {name: tensor[piece] if self.lined(name) else tensor for name, tensor in self.tensors.items()}
            whole[piece] = numbers(self.kind, cut).view(-1, whole.shape[1])
        return found

    def lined(self, name: str) -> bool:
        """Return whether a tensor has a part for each line, rather than one for all."""
        return name in ways(self.kind).lined


def joined(pieces: Sequence[Packed | Tensor]) -> Packed | Tensor:
    """Return pieces one above the other along the first axis, packed where all are of one kind, else in float32."""
    first = pieces[0]
    packed = [piece for piece in pieces if isinstance(piece, Packed)]
    if isinstance(first, Packed) and len(packed) == len(pieces) and all(alike(first, piece) for piece in packed):
        tensors = {
            name: torch.cat([piece.tensors[name] for piece in packed]) if first.lined(name) else tensor
            for name, tensor in first.tensors.items()
        }
        return replace(first, shape=(sum(piece.shape[0] for piece in packed), *first.shape[1:]), tensors=tensors)
    full = [piece.unpacked(torch.float32) if isinstance(piece, Packed) else piece for piece in pieces]
    return torch.cat(full)


def alike(one: Packed, other: Packed) -> bool:
    """Return whether two packed weights can be one: the same kind, rows of the same build, the same tables."""
    return (
        (one.kind, one.shape[1:], one.by_rows, one.tensors.keys())
        == (other.kind, other.shape[1:], other.by_rows, other.tensors.keys())
        and one.by_rows
        and all(one.lined(name) or torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    )
