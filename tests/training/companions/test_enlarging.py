"""The upscaler at toy size: its file is the compact build, crisp keeps slopes, the loss falls, resumed is straight."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from easel.post.compact import load as load_compact
from easel.training.companions import enlarging, opening
from easel.training.embedded.recipe import toy
from easel.training.learning.loop import Plan, train
from easel.training.networks.autoencoder import make_autoencoder
from easel.training.world.source import Source

SMALL = toy()
CONFIG = enlarging.UpscalerConfig(features=8, convolutions=2, pictures=4, batch=4, part=16)
COMPANION = opening.MODEL.parent / "companions" / "upscalers" / enlarging.FILE


def pictures_of(source: Source, folder: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return enlarging.make_pictures(source, make_autoencoder(SMALL.autoencoder), CONFIG, folder)


def trained(pictures: dict[str, torch.Tensor], folder: Path, plan: Plan, *stops: int | None) -> enlarging.Compact:
    network = enlarging.make_network(8, 2)
    for stop in stops or (None,):
        torch.manual_seed(1)
        network = enlarging.make_network(8, 2)
        train(network, enlarging.make_losses(network, pictures, CONFIG), plan, folder, stop_at=stop)
    return network


@torch.no_grad()
def total(network: enlarging.Compact, pictures: dict[str, torch.Tensor]) -> float:
    losses = enlarging.make_losses(network, pictures, CONFIG)
    return sum(float(losses(step)["loss"]) for step in range(1000, 1004))


def test_crisp_keeps_slopes_and_steepens_edges() -> None:
    slope = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    kept = enlarging.crisp(slope)[..., 8:-8, 8:-8]
    assert torch.allclose(kept, slope[..., 8:-8, 8:-8], atol=1e-5)
    soft = enlarging.enlarged((torch.arange(16) >= 8).float().expand(1, 3, 16, 16))
    steep = enlarging.crisp(soft)
    assert steep.diff(dim=-1).max() > 1.5 * soft.diff(dim=-1).max()
    assert steep.min() >= soft.min() - 1e-5 and steep.max() <= soft.max() + 1e-5


@pytest.mark.parametrize("way", enlarging.REDUCTIONS)
def test_reduced_pictures_keep_their_mean(way: str) -> None:
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    small = enlarging.reduced(picture, way)
    assert small.shape == (2, 3, 8, 8)
    assert (small.mean((-1, -2)) - picture.mean((-1, -2))).abs().max() < 0.02


def test_pairs_show_the_same(source: Source, tmp_path: Path) -> None:
    pictures = pictures_of(source, tmp_path)
    clean = pictures["clean"].float() / 255
    rng = enlarging.generator(0)
    config = enlarging.UpscalerConfig(part=16, clean=1.0, noise=0.0)
    for small, large in (enlarging.whole_pairs(clean, rng), enlarging.part_pairs(clean, clean, config, rng)):
        small, large = enlarging.varied(small, large, config, rng)
        assert large.shape[-1] == 4 * small.shape[-1]
        assert (F.avg_pool2d(large, 4) - small).abs().mean() < 0.03


def test_the_upscaler_learns_a_few_pictures(source: Source, tmp_path: Path) -> None:
    pictures = pictures_of(source, tmp_path / "pictures")
    pictures["decoded"] = pictures["clean"]  # what the random autoencoder gives back is noise
    torch.manual_seed(1)
    before = total(enlarging.make_network(8, 2), pictures)
    plan = Plan(steps=50, warmup=5, learning_rate=1e-2, muon=True, weight_decay=0.0, average=0.8)
    network = trained(pictures, tmp_path / "run", plan)
    assert total(network, pictures) < 0.85 * before
    found = enlarging.measure(network, source, 2)
    assert found == enlarging.measure(network, source, 2) and 20 < found["bicubic"] < 35


def test_a_resumed_run_equals_a_straight_one_bit_for_bit(source: Source, tmp_path: Path) -> None:
    pictures = pictures_of(source, tmp_path / "pictures")
    plan = Plan(steps=6, warmup=2, learning_rate=3e-3, muon=True)
    straight = trained(pictures, tmp_path / "straight", plan)
    resumed = trained(pictures, tmp_path / "resumed", plan, 2, None)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])


def rebuilt(tensors: dict[str, torch.Tensor]) -> nn.Sequential:
    """The published build from a file's own names and shapes: convolutions with slopes between, then a shuffle."""
    layers: list[nn.Module] = []
    for number in range(len({name.split(".")[1] for name in tensors})):
        weight = tensors[f"body.{number}.weight"]
        layers.append(nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1) if weight.ndim == 4 else nn.PReLU(1))
        if weight.ndim == 1:
            layers[-1] = nn.PReLU(len(weight))
    body = nn.Sequential(*layers)
    body.load_state_dict({name.removeprefix("body."): tensor.float() for name, tensor in tensors.items()})
    return body


def test_the_file_is_the_compact_build(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = enlarging.make_network(8, 3).requires_grad_(False)
    path = enlarging.save(network, tmp_path / "x4.safetensors", "words")
    body = rebuilt(load_file(path))
    x = torch.rand(1, 3, 9, 7)
    theirs = F.pixel_shuffle(body(x), 4) + F.interpolate(x, scale_factor=4, mode="nearest")
    assert theirs.shape == (1, 3, 36, 28) and (theirs - network(x)).abs().max() < 2e-3
    with safe_open(path, "pt") as file:
        assert file.metadata()["scale"] == "4"


@pytest.mark.skipif(not COMPANION.is_file(), reason="the companion is not made yet")
def test_the_companion_beats_bicubic_by_2_decibels(practised: Source) -> None:
    network = load_compact(load_file(COMPANION), COMPANION, torch.float32, "cpu").requires_grad_(False)
    found = enlarging.measure(network, practised, 16)
    assert found["network"] > found["bicubic"] + 2
