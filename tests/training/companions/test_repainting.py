"""The inpainting variant at toy size: begins as the base model, reads the mask, its folder lends Easel a U-Net."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from easel.training.companions import repainting
from easel.training.companions.practice import noise_on
from easel.training.learning.loop import Plan, train
from easel.training.networks.export import load
from easel.training.networks.unet import BaseConfig, make_unet
from easel.training.world.scenes import generator
from easel.training.world.source import Source

WIDTH, SIDE, ROWS = 32, 4, 6
CONFIG = repainting.RepaintConfig(batch=4, empty=0.0)


def tiny_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    config = BaseConfig(channels=(16, 32), heads=(1, 2), attention=(False, True), groups=8)
    return make_unet(config, WIDTH, SIDE).requires_grad_(False).eval()


def rows() -> repainting.Rows:
    """Plain latents, each of a brightness that only the picture round the mask tells."""
    bright = torch.linspace(-1.5, 1.5, ROWS)[:, None, None, None]
    cells = torch.zeros(ROWS, 1, SIDE, SIDE)
    cells[..., 1:3, 1:3] = 1
    latents = bright.expand(-1, 4, SIDE, SIDE)
    beside = torch.cat([cells, latents * (1 - cells)], 1)
    return {"latents": latents.half(), "contexts": torch.zeros(ROWS, 77, WIDTH).half(), "beside": beside.half()}


def test_masks_hide_something_and_seldom_everything() -> None:
    masks = [repainting.draw_mask(generator(3, n), 64) for n in range(200)]
    shares = torch.stack(masks).mean((1, 2))
    assert float(shares.min()) > 0.02 and set(torch.stack(masks).unique().tolist()) == {0.0, 1.0}
    assert 0.03 < float((shares == 1).float().mean()) < 0.2
    assert torch.equal(masks[7], repainting.draw_mask(generator(3, 7), 64))
    assert (
        float(torch.stack([repainting.draw_mask(generator(3, n), 64, 0.0) for n in range(60)]).mean((1, 2)).max()) < 1
    )


def test_the_new_channels_say_nothing_at_first() -> None:
    unet = tiny_unet()
    wider = repainting.with_more_channels(unet).eval()
    rng = torch.Generator().manual_seed(1)
    x, beside = torch.randn(2, 4, SIDE, SIDE, generator=rng), torch.randn(2, 5, SIDE, SIDE, generator=rng)
    t, context = torch.tensor([900, 100]), torch.randn(2, 77, WIDTH, generator=rng)
    with torch.no_grad():
        assert (wider(torch.cat([x, beside], 1), t, context).sample - unet(x, t, context).sample).abs().max() < 1e-5


def test_it_learns_to_read_what_stands_beside(tmp_path: Path) -> None:
    wider = repainting.with_more_channels(tiny_unet()).train()
    losses = repainting.make_losses(wider, rows(), torch.zeros(1, 77, WIDTH), CONFIG)
    with torch.no_grad():
        before = sum(float(losses(step)["loss"]) for step in range(1000, 1004))
    train(wider, losses, Plan(steps=40, warmup=3, learning_rate=5e-3, average=0.8), tmp_path)
    with torch.no_grad():
        assert sum(float(losses(step)["loss"]) for step in range(1000, 1004)) < 0.7 * before


def test_a_held_network_gives_back_what_is_not_masked() -> None:
    noiser = noise_on(torch.device("cpu"))
    rng = torch.Generator().manual_seed(2)
    x, kept, said = (torch.randn(2, 4, SIDE, SIDE, generator=rng) for _ in range(3))
    cells = torch.zeros(2, 1, SIDE, SIDE)
    cells[..., :2] = 1
    t = torch.tensor([700.0, 200.0])
    v = repainting.held(lambda x, t: said, kept, cells, noiser)(x, t)
    a, s = noiser.at(t.long())
    clean = a * x - s * v
    assert torch.allclose(clean * (1 - cells), kept * (1 - cells), atol=1e-4)
    assert torch.allclose(v * cells, said * cells, atol=1e-3)


def test_rows_hold_the_masked_picture(exported: Path, source: Source, tmp_path: Path) -> None:
    tokenizer, towers, autoencoder, _ = load(exported)
    made = repainting.make_rows(towers, tokenizer, autoencoder, source, 4, tmp_path)
    assert {name: tuple(rows.shape) for name, rows in made.items()} == {
        "latents": (4, 4, 16, 16),
        "contexts": (4, 77, 32),
        "beside": (4, 5, 16, 16),
    }
    assert set(made["beside"][:, 0].unique().tolist()) <= {0.0, 1.0}
    free = made["beside"][:, 0].sum((1, 2)) < 256
    assert bool((made["beside"][free, 1:] != made["latents"][free]).any())
