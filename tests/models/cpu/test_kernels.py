"""Our norms and sums against torch's, and the library against its sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from easel.models.cpu.kernels import HALF, LIBRARY, kernels

OWN: Any = kernels()
needs_kernels = pytest.mark.skipif(OWN is None, reason="this processor has no AVX-512 BF16, or has AMX beside it")


def picture(images: int, channels: int, height: int, width: int, dtype: torch.dtype, *, mean: float = 0.0) -> Tensor:
    torch.manual_seed(channels + height)
    x = torch.randn(images, channels, height, width) * 2 + mean
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def off(a: Tensor, b: Tensor) -> float:
    """Relative distance."""
    return float((a.double() - b.double()).norm() / b.double().norm())


@needs_kernels
@torch.inference_mode()
@pytest.mark.parametrize("given", [HALF, torch.float32])
@pytest.mark.parametrize("wanted", [HALF, torch.float32])
@pytest.mark.parametrize(("channels", "groups", "side"), [(320, 32, 8), (64, 32, 17), (48, 1, 3), (128, 32, 1)])
def test_a_norm_is_nearer_to_the_truth_than_torchs(
    given: torch.dtype, wanted: torch.dtype, channels: int, groups: int, side: int
) -> None:
    """Whole chunks and their remainders, groups that end within a register, a mean far from zero."""
    weight, bias = torch.randn(channels).to(given), torch.randn(channels).to(given)
    added = torch.randn(2, channels).to(given)
    for mean in (0.0, 30.0):
        x = picture(2, channels, side, side + 1, given, mean=mean)
        for swish in (True, False):
            truth = F.group_norm(
                x.double() + added[:, :, None, None].double(), groups, weight.double(), bias.double(), 1e-5
            )
            theirs = F.group_norm(x + added[:, :, None, None], groups, weight, bias, 1e-5)
            if swish:
                truth, theirs = F.silu(truth), F.silu(theirs)
            own = OWN.norm(x, groups, weight, bias, 1e-5, dtype=wanted, added=added, swish=swish)
            assert own.dtype == wanted and own.is_contiguous(memory_format=torch.channels_last)
            error = off(own, truth)
            assert error < 0.004 if wanted == HALF else error < 1e-4
            if wanted == given == HALF:
                assert error <= off(theirs, truth) * 1.01


@needs_kernels
@torch.inference_mode()
def test_a_picture_does_not_know_its_company() -> None:
    """Bit for bit, and with any number of threads."""
    x, weight, bias = picture(3, 64, 20, 30, HALF), torch.randn(64), torch.randn(64)
    together = OWN.norm(x, 32, weight, bias, 1e-6, dtype=HALF)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for row in range(3):
                assert torch.equal(
                    OWN.norm(x[row : row + 1], 32, weight, bias, 1e-6, dtype=HALF), together[row : row + 1]
                )
    finally:
        torch.set_num_threads(threads)


@needs_kernels
@torch.inference_mode()
def test_swish_holds_far_out() -> None:
    """e^x is beyond float32 there; SiLU is 0 on one side and x on the other."""
    x = torch.linspace(-300, 300, 64).reshape(1, 64, 1, 1).expand(1, 64, 4, 4)
    x = x.contiguous(memory_format=torch.channels_last)
    weight, bias = torch.full((64,), 300.0), torch.zeros(64)
    own = OWN.norm(x, 1, weight, bias, 1e-5, dtype=torch.float32)
    assert torch.isfinite(own).all()
    assert torch.allclose(own, F.silu(F.group_norm(x, 1, weight, bias, 1e-5)), rtol=1e-4, atol=1e-3)


@needs_kernels
@pytest.mark.parametrize("swish", [True, False])
@pytest.mark.parametrize(("channels", "groups", "side"), [(320, 32, 8), (64, 32, 17), (48, 1, 3), (128, 32, 1)])
def test_gradients_of_a_norm_are_nearer_to_the_truth_than_torchs(
    channels: int, groups: int, side: int, swish: bool
) -> None:
    given = torch.randn(2, channels, side, side + 1).to(HALF).contiguous(memory_format=torch.channels_last)
    x, added = picture(2, channels, side, side + 1, HALF, mean=3.0), torch.randn(2, channels).to(HALF)
    weight, bias = torch.randn(channels), torch.randn(channels)

    def torchs(dtype: torch.dtype, learned: torch.dtype) -> tuple[Tensor, ...]:
        parts = [x.to(dtype), added.to(dtype), weight.to(learned), bias.to(learned)]
        parts = [part.requires_grad_() for part in parts]
        out = F.group_norm(parts[0] + parts[1][:, :, None, None], groups, parts[2], parts[3], 1e-5)
        return torch.autograd.grad(F.silu(out) if swish else out, parts, given.to(dtype))

    truth, theirs = torchs(torch.float64, torch.float64), torchs(HALF, torch.float32)
    own = OWN.norm_back(given, x, groups, weight, bias, 1e-5, added=added, swish=swish)
    assert own[0].dtype == HALF and own[0].is_contiguous(memory_format=torch.channels_last)
    for name, mine, other, true in zip(("x", "added", "weight", "bias"), own, theirs, truth, strict=True):
        assert off(mine, true) < 0.006, name
        assert off(mine, true) <= off(other, true) * 1.01 + 1e-4, name


@needs_kernels
def test_gradients_do_not_know_their_company() -> None:
    """Bit for bit, with any number of threads: a run that is resumed elsewhere gives the same weights."""
    x, given = picture(3, 64, 20, 30, HALF), picture(3, 64, 20, 30, HALF, mean=1.0)
    weight, bias = torch.randn(64), torch.randn(64)
    together = OWN.norm_back(given, x, 32, weight, bias, 1e-6)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for mine, same in zip(OWN.norm_back(given, x, 32, weight, bias, 1e-6), together, strict=True):
                assert torch.equal(mine, same)
            alone = OWN.norm_back(given[1:2], x[1:2], 32, weight, bias, 1e-6)
            assert torch.equal(alone[0], together[0][1:2]) and torch.equal(alone[1], together[1][1:2])
    finally:
        torch.set_num_threads(threads)


@needs_kernels
@torch.inference_mode()
@pytest.mark.parametrize("numbers", [1, 15, 2048, 5000])
def test_a_sum_is_torchs_bit_for_bit(numbers: int) -> None:
    x, y = torch.randn(numbers), torch.randn(numbers).to(HALF)
    expected = x + y.float()
    assert OWN.add(x, y) is x
    assert torch.equal(x, expected)


@needs_kernels
def test_a_norm_is_asked_only_for_what_it_takes() -> None:
    x = picture(1, 64, 4, 4, HALF)
    with torch.no_grad():
        assert OWN.takes_norm(x)
        assert not OWN.takes_norm(x.double())
        assert not OWN.takes_norm(picture(1, 64, 4, 4, HALF).contiguous())
        assert OWN.takes_norm(x.float())
    assert not OWN.takes_norm(x)  # somebody may want gradients
    assert OWN.takes_channels(320, 32)
    assert not OWN.takes_channels(24, 8) and not OWN.takes_channels(64, 48) and not OWN.takes_channels(8192, 32)


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs binutils")
def test_the_library_asks_for_nothing_but_openmp() -> None:
    said = subprocess.run(["nm", "-D", "--undefined-only", str(LIBRARY)], check=True, capture_output=True, text=True)
    names = {line.split()[-1].partition("@")[0] for line in said.stdout.splitlines()}
    assert {name for name in names if not name.startswith(("GOMP_", "omp_"))} <= {"memset", "memcpy"}
    assert LIBRARY.stat().st_size < 64 * 1024


@needs_kernels
@torch.inference_mode()
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_library_is_what_its_sources_make(tmp_path: Path) -> None:
    """A library built here from the sources gives the same numbers."""
    root = Path(__file__).parents[3]
    folder = tmp_path / LIBRARY.parent.relative_to(root)
    shutil.copytree(LIBRARY.parent, folder, ignore=shutil.ignore_patterns("*.so"))
    (tmp_path / "scripts").mkdir()
    shutil.copy(root / "scripts" / "build-kernels", tmp_path / "scripts")
    subprocess.run([str(tmp_path / "scripts" / "build-kernels")], check=True)
    made: Any = kernels(folder / LIBRARY.name)
    assert made is not None
    x, weight, bias = picture(1, 64, 9, 9, HALF), torch.randn(64), torch.randn(64)
    assert off(made.norm(x, 32, weight, bias, 1e-5, dtype=HALF), OWN.norm(x, 32, weight, bias, 1e-5, dtype=HALF)) < 1e-3
    back = [some.norm_back(x, x, 32, weight, bias, 1e-5) for some in (made, OWN)]
    assert all(off(mine, theirs) < 1e-3 for mine, theirs in zip(*back, strict=True))
    parts = [torch.randn(1, 2, 70, 40).to(HALF) for _ in range(3)]
    assert off(made.attend(*parts), OWN.attend(*parts)) < 1e-3
