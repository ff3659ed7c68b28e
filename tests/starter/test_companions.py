"""The starter's small companions are found by name and do what their programs taught: paint, decode, move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

import easel
from easel.core.passes import Components
from easel.media.tensors import to_images
from easel.training.companions.opening import PRACTISED
from easel.training.companions.paths import jump
from easel.training.companions.repainting import draw_mask
from easel.training.networks.autoencoder import psnr
from easel.training.world.scenes import generator
from easel.training.world.source import UNSEEN_SEED, compose, open_source
from easel.training.world.subjects import DataMissing
from tests.tiny import starter_side

THREE: dict[str, Any] = {
    "prompt": ["a fox", "노란 배경의 자동차", "a pumpkin, blue background"],
    "seed": 4,
    "steps": 12,
}
CLIP: dict[str, Any] = {"batch_size": 8, "steps": 12, "seed": 3}


@pytest.fixture(scope="module")
def studio() -> Iterator[easel.Studio]:
    with easel.load("starter") as opened:
        yield opened


def tensor(pictures: Sequence[Any]) -> torch.Tensor:
    """Pictures (n, 3, height, width) in -1..1."""
    arrays = numpy.stack([numpy.asarray(one.image, numpy.float32) for one in pictures])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2) / 127.5 - 1


def test_a_tiny_decoder_shows_nearly_the_same(studio: easel.Studio) -> None:
    own, tiny = (
        tensor(studio.text_to_image(**THREE, components=Components(vae=vae))) for vae in (None, "starter-tiny")
    )
    apart = (own - tiny).square().mean((1, 2, 3))
    assert float(apart.min()) > 0, "another decoder rounds otherwise"
    assert float(psnr(apart).min()) > 22


def test_the_inpainting_variant_paints_nearer_to_what_stood_there(studio: easel.Studio) -> None:
    try:
        source = open_source(None, PRACTISED, starter_side(), "cpu")
    except DataMissing as missing:
        pytest.skip(str(missing))
    numbers = range(8)
    found = compose(source, UNSEEN_SEED, numbers)
    masks = [draw_mask(generator(UNSEEN_SEED, 2, n), source.side, whole=0.0) for n in numbers]
    rows = list(zip(to_images((found.pictures + 1) / 2), masks, found.captions, strict=True))

    def near(denoiser: str | None) -> float:
        drawn = tensor([
            studio.inpaint(words, image, Image.fromarray((mask * 255).byte().numpy()), strength=1.0, blur=0,
                           fill="latent noise", seed=5, steps=12, components=Components(denoiser=denoiser))[0]
            for image, mask, words in rows
        ])  # fmt: skip
        square = (drawn - found.pictures).square().sum(1) * torch.stack(masks)
        return float(psnr(square.sum((1, 2)) / (3 * torch.stack(masks).sum((1, 2)))).mean())

    base, variant = near(None), near("starter-inpainting")
    assert variant > base + 1, (base, variant)


def test_the_motion_module_leads_from_frame_to_frame(studio: easel.Studio) -> None:
    apart, together = (
        tensor(studio.text_to_image("a bouncing ball", **CLIP, **way))
        for way in ({}, {"motion": {"model": "starter-motion"}})
    )
    assert jump(together) < 0.5 * jump(apart)
    assert jump(together) > 1e-5, "a clip is no still picture"
