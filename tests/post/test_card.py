"""What only a CUDA card can show: upscalers in half numbers there. scripts/gpu runs these."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch

from easel.core.settings import read_settings
from easel.models.accelerate import machine_for
from easel.post.upscale import load_upscaler
from tests.post.upscalerfiles import compact, write

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card, and none is here"),
    pytest.mark.filterwarnings("default"),  # of what the card's own libraries say
]


def test_halves_on_a_card_give_the_picture_of_full_numbers(tmp_path: Path) -> None:
    file = write(tmp_path / "x.safetensors", compact(middle=12, features=48).state_dict())
    pixels = numpy.random.default_rng(0).integers(0, 256, (96, 64, 3), numpy.uint8)
    plain, halves = (
        load_upscaler(file, machine_for(read_settings(**asked)))
        for asked in ({"device": "cpu"}, {"device": "cuda", "precision": "bfloat16"})
    )
    assert next(halves.module.parameters()).dtype == torch.float16
    found, wanted = halves.made_of(pixels), plain.made_of(pixels)
    assert 10 * numpy.log10(1 / ((found - wanted) ** 2).mean()) > 50
