"""The formulas of a merge: two or three tensors to one, in float32.

A function gives A itself, bit for bit, where nothing is to be added. Knows no files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from easel.core.errors import BadValue, UnknownName


def weighted(a: Tensor, b: Tensor, ratio: float) -> Tensor:
    """Return A (1 - r) + B r; A itself at 0 and B itself at 1."""
    if ratio in (0, 1):
        return b if ratio else a
    return torch.lerp(a, b, ratio)


def difference(a: Tensor, b: Tensor, c: Tensor, ratio: float) -> Tensor:
    """Return A + r (B - C): what made B of C is done to A."""
    return torch.add(a, c - b, alpha=-ratio) if ratio > 0 else torch.add(a, b - c, alpha=ratio)  # see trained()


def trained(a: Tensor, b: Tensor, c: Tensor, ratio: float) -> Tensor:
    """Return A + 1.8 r (B - C) |B - A| / (|B - A| + |B - C|): as if A had been trained as C was to become B.

    What A already has of B is not added again. SuperMerger's "train difference".
    """
    far, change = (b - a).abs_(), c - b
    share = far / (far + change.abs()).clamp_(min=torch.finfo(far.dtype).tiny)
    # a zero times a negative number is -0, the only zero that leaves every number as it is, -0 too
    return torch.add(a, change.mul_(share), alpha=-1.8 * ratio)


@dataclass(frozen=True, slots=True)
class Method:
    """One way of merging: its formula, how many models it takes, and between which ratios."""

    name: str
    formula: Callable[..., Tensor]
    models: int
    least: float
    most: float
    said: str

    def check(self, what: str, ratio: float) -> None:
        """Raise BadValue for a ratio that this way does not take."""
        if not self.least <= ratio <= self.most:
            raise BadValue(what, ratio, f"{self.least:g} to {self.most:g} for {self.name!r}")


METHODS = {
    method.name: method
    for method in (
        Method("weighted", weighted, 2, 0, 1, "A (1 - r) + B r"),
        Method("difference", difference, 3, -2, 2, "A + r (B - C)"),
        Method("train-difference", trained, 3, 0, 2, "A + r (B - C), less where A already has it"),
    )
}


def method_called(name: str) -> Method:
    """Return the method of that name. Raises UnknownName."""
    if name not in METHODS:
        raise UnknownName("merge method", name, METHODS)
    return METHODS[name]


def merged(method: Method, tensors: tuple[Tensor, ...], ratio: float) -> Tensor:
    """Return the merge of A, B and perhaps C, in A's number format where the formula leaves A or B as it is.

    Where A's second dimension is the larger, as in the first convolution of an inpainting model whose B reads the
    latent alone, A's first channels are merged and the others stay.
    """
    a, *others = tensors
    if ratio == 0:
        return a
    if a.shape != others[0].shape:
        shared = others[0].shape[1]
        head = merged(method, (a[:, :shared], *others), ratio)
        return torch.cat([head.float(), a[:, shared:].float()], 1)
    if ratio == 1 and method.formula is weighted:
        return others[0]
    wide = torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
    return method.formula(*(tensor.to(wide) for tensor in tensors), ratio)
