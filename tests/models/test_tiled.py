"""Tiled decode: the picture of the whole decode, for any size and tile, worn or not, and with less memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from easel.adapters.tiling import Seamless
from easel.core.errors import Unsupported
from easel.core.passes import Hires
from easel.core.work import Decode
from easel.media.tensors import to_pixels
from easel.models.family import Model
from easel.models.tiled import Plane, check_decoder
from tests.recipes.telling import ask, told
from tests.tiny import load_starter

LEVEL = 1 / 255


def latents(height: int, width: int, pictures: int = 1) -> Tensor:
    """Latents whose left is calm and right is wild, so that tiles would disagree about their statistics."""
    x = torch.randn(pictures, 4, height, width, generator=torch.Generator().manual_seed(1))
    return x * torch.linspace(0.1, 2, width)


@torch.inference_mode()
def strayed(model: Model, z: Tensor, tile: int) -> float:
    """Largest difference of the tiled from the whole decode."""
    whole, tiled = model.decode(z), model.decode(z, tile)
    assert tiled.shape == whole.shape
    assert tiled.dtype == whole.dtype == torch.float32
    return float((whole - tiled).abs().max())


@pytest.mark.parametrize(
    ("height", "width", "tile"), [(16, 16, 64), (24, 9, 64), (5, 23, 40), (12, 12, 8), (7, 7, 64), (1, 9, 24)]
)
def test_it_is_the_whole_decode_seams_and_all(tiny: Model, height: int, width: int, tile: int) -> None:
    """Far within the promise of a level away from seams: rounding is all that is left."""
    assert strayed(tiny, latents(height, width, 2), tile) < LEVEL / 100


@pytest.mark.parametrize("axes", ["x", "y", "xy"])
def test_it_is_the_whole_decode_with_edges_that_meet(tiny: Model, axes: Any) -> None:
    z = latents(12, 20)
    with Seamless(axes).on(tiny):
        assert strayed(tiny, z, 64) < LEVEL / 100
        assert strayed(tiny, z, 256) < LEVEL / 100


def test_statistics_are_the_whole_plane_s() -> None:
    """Of parts that differ much in mean, which a plain sum of squares would lose in rounding."""
    data = torch.randn(8, 30, 50, generator=torch.Generator().manual_seed(2)) * 0.1 + 1000
    data[:, :, 25:] += 50
    plane = Plane.of(data[None], (16, 16))
    norm = torch.nn.GroupNorm(2, 8)
    torch.nn.init.normal_(norm.weight)
    expected = torch.nn.functional.group_norm(data.double()[None], 2, norm.weight.double(), norm.bias.double())
    found = plane.normed_by(norm)(data[None])
    assert torch.allclose(found.double(), expected, atol=1e-3)


def test_the_starter_s_decoder() -> None:
    starter = load_starter()
    assert strayed(starter, latents(24, 40), 128) < LEVEL / 100


def test_unknown_layers_are_refused(tiny: Model) -> None:
    decoder: Any = tiny.parts["vae"]
    norm = decoder.decoder.conv_norm_out
    decoder.decoder.conv_norm_out = torch.nn.Identity()
    try:
        with pytest.raises(Unsupported, match="this autoencoder's Identity cannot decode in tiles"):
            check_decoder(decoder.decoder)
    finally:
        decoder.decoder.conv_norm_out = norm


def test_a_request_decodes_in_tiles_what_is_larger(tiny: Model) -> None:
    request = ask(tiled_decode=64, width=96, preview_every=2, hires=Hires(scale=1.5, steps=2, upscaler="Lanczos"))
    works, (tiled,) = told(request, tiny)
    decodes = [work for work in works if isinstance(work, Decode)]
    assert {work.tile for work in decodes} == {64}
    assert len(decodes) == 3
    _, (whole,) = told(request.model_copy(update={"tiled_decode": 0}), tiny)
    assert float((to_pixels([tiled.image]) - to_pixels([whole.image])).abs().max()) <= 2.01 * LEVEL
    works, _ = told(ask(tiled_decode=64), tiny)
    assert [work.tile for work in works if isinstance(work, Decode)] == [0]


def test_tiled_and_whole_share_no_decode(tiny: Model) -> None:
    z = latents(16, 16)
    assert Decode(tiny, z).key != Decode(tiny, z, tile=64).key
    assert Decode(tiny, z, tile=64).key == Decode(tiny, z.clone(), tile=64).key
