"""Low-rank changes: the file keeps what changes the network most for its bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from easel.training.learning.lowrank import OVERHEAD, PREFIX, Factors

RANK = 6


@pytest.fixture
def factors() -> Factors:
    """Changes of four layers, each far weaker than the one before."""
    made = Factors(nn.Sequential(nn.Linear(24, 40), nn.Conv2d(8, 12, 3), nn.Linear(16, 16), nn.Conv2d(4, 8, 1)), RANK)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for place, up in enumerate(made.up.values()):
            up.copy_(torch.randn(up.shape, generator=rng) * 10.0**-place)
    return made


def lost(factors: Factors, most: float) -> float:
    """The squares of what `strongest` leaves out."""
    found, total = factors.strongest(most), 0.0
    for flat, name in factors.layers.items():
        whole = factors.changes()[name].detach().flatten(1)
        kept = torch.zeros_like(whole)
        if flat in found:
            down, up = found[flat]
            kept = up.flatten(1) @ down.flatten(1)
        total += float((whole - kept).square().sum())
    return total


def test_with_room_enough_nothing_is_lost(factors: Factors) -> None:
    with torch.no_grad():
        whole = sum(float(change.square().sum()) for change in factors.changes().values())
    assert lost(factors, 1e6) < 1e-8 * whole


def test_less_is_left_out_than_by_one_rank_for_all(factors: Factors) -> None:
    with torch.no_grad():
        sizes = [torch.linalg.svdvals(change.flatten(1)) for change in factors.changes().values()]
    prices = [2 * (len(change) + change[0].numel()) for change in factors.changes().values()]
    for rank in (1, 2, 4):
        alike = sum(float(size[rank:].square().sum()) for size in sizes)
        room = sum(rank * price for price in prices) + OVERHEAD * len(prices)
        assert lost(factors, room) < 0.9 * alike


def test_the_file_keeps_within_its_room(factors: Factors, tmp_path: Path) -> None:
    file = factors.save(tmp_path / "small.safetensors", {"a": "b"}, megabytes=0.004)
    assert file.stat().st_size <= 4000
    tensors = load_file(file)
    ranks = {key: int(tensors[key]) for key in tensors if key.endswith(".alpha")}
    assert len(set(ranks.values())) > 1, "layers come to ranks of their own"
    assert all(len(tensors[key.replace("alpha", "lora_down.weight")]) == rank for key, rank in ranks.items())
    assert all(key.startswith(PREFIX) for key in tensors)
