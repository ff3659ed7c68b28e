"""UniPC: a predictor and a corrector that shares its evaluations, Zhao et al. 2023 (arXiv 2302.04867).

Both are one formula in lambda, x' = (sigma'/sigma) x - alpha' (e^-h - 1) m0 - alpha' B(h) sum_k rho_k D_k, where D_k
are differences of predicted x0 and rho solves the paper's R rho = b. The corrector adds the newest point to the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import expm1
from typing import TYPE_CHECKING

from easel.sampling.path import Evaluation, Path
from easel.sampling.samplers import Noise, Sampling, pairs, sampler

if TYPE_CHECKING:
    from torch import Tensor

Known = tuple[float, "Tensor"]  # lambda and the x0 predicted there


def update(
    path: Path,
    x: Tensor,
    sigma: float,
    sigma_next: float,
    known: Sequence[Known],
    variant: str,
    newest: Tensor | None = None,
) -> Tensor:
    """Return x at sigma_next: UniP from the known points, nearest first, and UniC where the newest is given.

    The order is the number of known points.
    """
    (lam, m0), *older = known
    h = path.lam(sigma_next) - lam
    alpha_next = path.alpha(sigma_next)
    out = sigma_next / sigma * x - alpha_next * expm1(-h) * m0
    if math.isinf(h):
        return out
    r = [(lam_k - lam) / h for lam_k, _ in older]
    d = [(m - m0) / r_k for (_, m), r_k in zip(older, r, strict=True)]
    if newest is not None:
        r, d = [*r, 1.0], [*d, newest - m0]
    size = -h if variant == "bh1" else expm1(-h)
    # the paper's shortcut at one difference, whose rho is 1/2 for any h
    rho = [0.5] if len(r) == 1 else solved(r, -h, size)
    for rho_k, d_k in zip(rho, d, strict=True):
        out = out - alpha_next * size * rho_k * d_k
    return out


def solved(r: Sequence[float], hh: float, size: float) -> list[float]:
    """Return rho with sum_k rho_k r_k^(i-1) = b_i, b_i = i! h phi_{i+1}(h) / B(h), for i = 1 ... len(r)."""
    matrix = [[r_k**i for r_k in r] for i in range(len(r))]
    phi, factorial = expm1(hh) / hh - 1, 1
    for i, row in enumerate(matrix, 1):
        row.append(phi * factorial / size)
        factorial *= i + 1
        phi = phi / hh - 1 / factorial
    for i, row in enumerate(matrix):
        for other in matrix[i + 1 :]:
            share = other[i] / row[i]
            other[i:] = [b - share * a for a, b in zip(row[i:], other[i:], strict=True)]
    rho: list[float] = []
    for i, row in reversed(list(enumerate(matrix))):
        rest = row[-1] - sum(a * b for a, b in zip(row[i + 1 : -1], rho, strict=True))
        rho.insert(0, rest / row[i])
    return rho


@sampler(
    "UniPC",
    "unipc",
    "uni_pc",
    schedule="SGM Uniform",
    order=3,
    paper="2302.04867",
    limits={"variant": ("bh1", "bh2"), "order": (1, 4)},
)
def unipc(
    path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, order: int = 3, variant: str = "bh1"
) -> Sampling:
    """UniPC on predicted x0, multistep, with lower orders for the last steps; variant: B(h) = h or e^h - 1."""
    known: list[Known] = []
    before: tuple[Tensor, float, list[Known]] | None = None
    for left, (sigma, sigma_next) in zip(range(len(sigmas) - 1, 0, -1), pairs(sigmas), strict=True):
        denoised = yield Evaluation(x, sigma)
        if before is not None:
            x = update(path, before[0], before[1], sigma, before[2], variant, denoised)
        lam = path.lam(sigma)
        known = [(lam, denoised), *known][:order]
        used = [point for point in known if math.isfinite(point[0])][:left] or known[:1]
        before = (x, sigma, used)
        x = update(path, x, sigma, sigma_next, used, variant)
    return x


@sampler("UniPC BH2", "uni_pc_bh2", schedule="SGM Uniform", order=3, paper="2302.04867")
def unipc_bh2(path: Path, x: Tensor, sigmas: Sequence[float], noise: Noise, *, order: int = 3) -> Sampling:
    """UniPC with B(h) = e^h - 1."""
    return (yield from unipc(path, x, sigmas, noise, order=order, variant="bh2"))
