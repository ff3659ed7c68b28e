"""Decoders whose convolutions multiply in bfloat16: plain backgrounds stay plain, whole or in tiles."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from easel.core.settings import read_settings
from easel.models.cpu.decoding import HALVED, halve
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.library.names import STARTER

LEVEL = 1 / 255


def halved_of(module: nn.Module) -> int:
    """How many layers multiply in bfloat16."""
    return sum(type(layer) in HALVED.values() for layer in module.modules())


@torch.inference_mode()
def test_the_starter_s_pictures_and_plain_backgrounds_stay() -> None:
    """A whole decode in bfloat16 strays by two levels here and more."""
    exact: Any = load(identify(STARTER), read_settings(device="cpu", precision="float32"))
    half: Any = load(identify(STARTER), read_settings(device="cpu", precision="bfloat16"))
    assert halved_of(half.vae.module) > 10
    assert halved_of(exact.vae.module) == halved_of(half.vae.module.encoder) == 0
    plain = torch.rand(4, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(4, 3, 128, 128)
    z = exact.encode_images(plain.contiguous())
    whole, found = exact.decode(z), half.decode(z)
    assert 0 < float((found - whole).abs().max()) < LEVEL
    assert float((half.decode(z[:1], 64) - found[:1]).abs().max()) < LEVEL / 2


@torch.inference_mode()
def test_every_weight_stays_as_it_was() -> None:
    model: Any = load(identify(STARTER), read_settings(device="cpu", precision="float32"))
    before = {name: tensor.clone() for name, tensor in model.vae.module.state_dict().items()}
    halve(model.vae.module.decoder)
    assert halved_of(model.vae.module) > 10
    after = model.vae.module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
