"""The starter's small companions are found by name and do what their programs taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import pytest
import torch

import easel
from easel.core.passes import Components
from easel.training.networks.autoencoder import psnr

THREE: dict[str, Any] = {
    "prompt": ["a fox", "노란 배경의 자동차", "a pumpkin, blue background"],
    "seed": 4,
    "steps": 12,
}


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
