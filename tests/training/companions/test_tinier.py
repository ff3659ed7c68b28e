"""The tiny autoencoder at toy size: its file is TAESD's, it learns pictures and latents, resumed is straight."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from easel.models.accelerate import Machine
from easel.models.autoencoder import load_autoencoder
from easel.models.layouts.identify import identify
from easel.models.layouts.sources import source_of
from easel.training.companions import tinier
from easel.training.learning.loop import Plan, train
from easel.training.networks.autoencoder import AutoencoderConfig, make_autoencoder
from easel.training.world.source import Source

CONFIG = tinier.TinyConfig(width=16, encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1, 1), batch=4, part=8)


@pytest.fixture(scope="module")
def rows(source: Source, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    autoencoder = make_autoencoder(AutoencoderConfig(channels=(8, 8, 8, 8), groups=4))
    made = tinier.make_rows(source, autoencoder, 4, tmp_path_factory.mktemp("rows"))
    assert made["pictures"].shape == (4, 3, 128, 128) and made["latents"].shape == (4, 4, 16, 16)
    # a random autoencoder's latents say little: brightness and colours stand in for what a trained one tells
    small = torch.nn.functional.avg_pool2d(made["pictures"].float() / 127.5 - 1, 8)
    return {**made, "latents": torch.cat([small, small.mean(1, keepdim=True)], 1).half()}


def test_a_part_of_a_picture_is_that_of_its_latent(rows: dict[str, torch.Tensor]) -> None:
    pictures, latents, width = tinier.parts_of(rows, CONFIG, 3)
    assert pictures.shape == (4, 3, 64, 64) and latents.shape == (4, 4, 8, 8)
    assert torch.allclose(torch.nn.functional.avg_pool2d(pictures, 8), latents[:, :3], atol=2e-3)
    assert bool(((width >= 0) & (width <= CONFIG.noise)).all())


def test_it_learns_pictures_and_latents(rows: dict[str, torch.Tensor], tmp_path: Path) -> None:
    network = tinier.make_tiny(CONFIG)
    losses = tinier.make_losses(network, rows, CONFIG)
    with torch.no_grad():
        before = [float(losses(1000)[name]) for name in ("loss", "read")]
    plan = Plan(steps=60, warmup=5, learning_rate=1e-2, muon=True, weight_decay=0.0, average=0.8)
    train(network, losses, plan, tmp_path)
    with torch.no_grad():
        after = [float(losses(1000)[name]) for name in ("loss", "read")]
    assert after[0] < 0.5 * before[0] and after[1] < 0.5 * before[1]


def test_a_resumed_run_equals_a_straight_one_bit_for_bit(rows: dict[str, torch.Tensor], tmp_path: Path) -> None:
    plan, results = Plan(steps=4, warmup=2, learning_rate=1e-3), []
    for name, stops in (("straight", (None,)), ("resumed", (2, None))):
        network = tinier.make_tiny(CONFIG)
        for stop in stops:
            network = tinier.make_tiny(CONFIG)
            train(network, tinier.make_losses(network, rows, CONFIG), plan, tmp_path / name, stop_at=stop)
        results.append(network.state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def test_the_file_is_read_as_a_taesd_that_draws_the_same(tmp_path: Path) -> None:
    network = tinier.make_tiny(CONFIG).requires_grad_(False)
    found = identify(tinier.save(network, tmp_path / "tiny.safetensors", "words"))
    assert found.words == "vae, 4 channels, tiny"
    read = load_autoencoder(source_of(found), Machine("cpu", torch.float32, torch.float32))
    latents = torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(4))
    wanted = network.decode(latents, return_dict=False)[0]
    assert (read.decode(latents) - (wanted / 2 + 0.5).clamp(0, 1)).abs().max() < 1e-2
