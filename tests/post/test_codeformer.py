"""CodeFormer's build: the names and shapes of the published file, and what its parts do. Its weights are not here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from easel.post.codeformer import Build, CodeFormer, build_of, fits, like
from tests.post.restorerfiles import TINY, codeformer

PUBLISHED = Build((64, 128, 128, 256, 256, 512), 1024, 256, 512, 1024, 9, 256)
FUSED = (32, 64, 128, 256)


@pytest.fixture(scope="module")
def published() -> CodeFormer:
    with torch.device("meta"):
        return CodeFormer(PUBLISHED, FUSED)


def test_the_published_file_has_its_place_in_it(published: CodeFormer) -> None:
    """Names and shapes that are known of codeformer.pth, from each of its parts."""
    shapes = {name: tuple(one.shape) for name, one in published.state_dict().items()}
    known = {
        "position_emb": (256, 512),
        "quantize.embedding.weight": (1024, 256),
        "feat_emb.weight": (512, 256),
        "idx_pred_layer.0.weight": (512,),
        "idx_pred_layer.1.weight": (1024, 512),
        "ft_layers.8.self_attn.in_proj_weight": (1536, 512),
        "ft_layers.0.self_attn.out_proj.bias": (512,),
        "ft_layers.0.linear1.weight": (1024, 512),
        "encoder.blocks.0.weight": (64, 3, 3, 3),
        "encoder.blocks.3.conv.weight": (64, 64, 3, 3),
        "encoder.blocks.4.conv_out.weight": (128, 64, 1, 1),
        "encoder.blocks.17.proj_out.weight": (512, 512, 1, 1),
        "encoder.blocks.21.q.weight": (512, 512, 1, 1),
        "encoder.blocks.23.weight": (512,),
        "encoder.blocks.24.weight": (256, 512, 3, 3),
        "generator.blocks.0.weight": (512, 256, 3, 3),
        "generator.blocks.8.conv.weight": (512, 512, 3, 3),
        "generator.blocks.9.conv_out.weight": (256, 512, 1, 1),
        "generator.blocks.24.weight": (3, 64, 3, 3),
        "fuse_convs_dict.32.encode_enc.conv1.weight": (256, 512, 3, 3),
        "fuse_convs_dict.256.shift.2.weight": (128, 128, 3, 3),
    }
    assert {name: shapes.get(name) for name in known} == known
    assert not any("blocks.25" in name or "ft_layers.9" in name for name in shapes)
    assert sum(one.numel() for one in published.parameters()) == pytest.approx(94.1e6, rel=0.01)


def test_its_sizes_are_told_by_its_tensors(published: CodeFormer) -> None:
    assert build_of(published.state_dict()) == (PUBLISHED, FUSED)
    assert (PUBLISHED.side, PUBLISHED.bottom) == (512, 16)
    assert build_of(codeformer().state_dict())[0] == TINY
    assert fits(published.state_dict())
    assert not fits({"position_emb": 0})


def test_what_is_fused_is_taken_at_the_published_places(published: CodeFormer) -> None:
    def at(places: dict[int, int]) -> dict[int, int]:
        return {side: place for place, side in places.items()}

    seen, drawn = at(published.encoder.taken), at(published.generator.taken)
    assert seen == {512: 2, 256: 5, 128: 8, 64: 11, 32: 14, 16: 18}
    assert {side: drawn[side] for side in FUSED} == {32: 9, 64: 12, 128: 15, 256: 18}


@torch.inference_mode()
def test_without_fidelity_only_the_codebook_speaks() -> None:
    network: Any = codeformer()
    face = torch.rand(2, 3, TINY.side, TINY.side) * 2 - 1
    plain, near = network(face, 0.0), network(face, 1.0)
    assert plain.shape == near.shape == face.shape
    assert not torch.allclose(plain, near)
    for fuse in network.fuse_convs_dict.values():
        for part in (fuse.scale[2], fuse.shift[2]):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)
    assert torch.allclose(network(face, 1.0), plain, atol=1e-5)
    assert torch.allclose(network(face[:1], 0.7), network(face, 0.7)[:1], atol=1e-5)


@torch.inference_mode()
def test_entries_are_those_that_the_transformer_tells() -> None:
    network: Any = codeformer()
    seen = torch.randn(1, TINY.code, TINY.bottom, TINY.bottom)
    entries = network.entries_for(seen).flatten(2)[0].T
    book = network.quantize["embedding"].weight
    assert all(any(torch.equal(entry, one) for one in book) for entry in entries)


def test_channels_take_the_others_mean_and_spread() -> None:
    torch.manual_seed(0)
    drawn, seen = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8) * 3 + 5
    found = like(drawn, seen)
    assert torch.allclose(found.mean((2, 3)), seen.mean((2, 3)), atol=1e-4)
    assert torch.allclose(found.std((2, 3)), seen.std((2, 3)), atol=1e-2)
