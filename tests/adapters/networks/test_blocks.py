"""Weights by block: the lists and presets that people write, and which layers they weigh."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel

from easel.adapters.networks.blocks import LISTS, PRESETS, block_of, block_weights
from easel.adapters.networks.fitting import fitted
from easel.adapters.networks.reading import read_network
from easel.adapters.networks.weighing import published_names, weighed
from easel.core.errors import BadValue, UnknownName, Unsupported
from tests.adapters.networks.making import kohya, layers, tiny_text, tiny_unet, written

# The extension's own seventeen numbers.
SEVENTEEN = {
    "NONE": "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "ALL": "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    "INS": "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "IND": "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "INALL": "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "MIDD": "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0",
    "OUTD": "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0",
    "OUTS": "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1",
    "OUTALL": "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1",
}


def deep_unet(levels: int, depth: tuple[int, ...] | int = 1) -> UNet2DConditionModel:
    """Return a U-Net with as many blocks as the published ones."""
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8,) * levels,
        down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
        layers_per_block=2,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=2,
        transformer_layers_per_block=depth,
    )


@pytest.mark.parametrize("name", SEVENTEEN)
def test_presets_are_the_extensions(name: str) -> None:
    listed = block_weights(SEVENTEEN[name], 12)
    named = block_weights(name.lower(), 12)
    assert {block: named.get(block, 0.0) for block in LISTS[17]} == listed


def test_all_is_every_block_and_none_is_none() -> None:
    for depth, count in ((12, 26), (9, 20)):
        assert set(block_weights("ALL", depth)) == set(LISTS[count])
        assert not block_weights("NONE", depth)
        parts = [set(block_weights(name, depth)) - {"BASE"} for name in ("INS", "IND", "OUTD", "OUTS")]
        assert all(parts) and sum(map(len, parts)) == 2 * depth
        assert set().union(*parts, {"BASE", "M00"}) == set(LISTS[count])


@pytest.mark.parametrize(("levels", "depth"), [(4, 12), (3, 9)])
def test_every_layer_of_a_unet_stands_in_a_block(levels: int, depth: int) -> None:
    unet = deep_unet(levels)
    blocks = {name: block_of(published) for name, published in published_names(unet).items()}
    longest = next(names for names in LISTS.values() if len(names) == 2 * depth + 2)
    assert set(blocks.values()) == set(longest)
    assert blocks["conv_in"] == "IN00" and blocks["mid_block.resnets.1.conv1"] == "M00"
    assert blocks["time_embedding.linear_1"] == blocks["conv_out"] == "BASE"
    attention = {block for name, block in blocks.items() if "attentions" in name}
    if levels == 4:
        assert attention == set(LISTS[17]) - {"BASE"}
    assert blocks["up_blocks.0.resnets.1.conv1"] == "OUT01"


def test_a_fit_is_weighed_by_block(tmp_path: Path) -> None:
    unet, text = deep_unet(4), tiny_text()
    tensors = kohya(unet, [name for name in layers(unet) if "attn1.to_q" in name], "lora_unet_")
    tensors |= kohya(text, ["encoder.layers.0.mlp.fc1"], "lora_te_text_model_")
    parts = {"unet": unet, "text_encoder": text}
    fit = fitted(read_network(written(tmp_path, tensors)), parts)
    spec = ",".join(str(number / 10) for number in range(17))
    factors = {
        name: piece.factor
        for part in weighed(fit, parts, spec).parts.values()
        for name, (piece,) in part.pieces.items()
    }
    assert factors["encoder.layers.0.mlp.fc1"] == 0.0
    assert factors["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"] == 0.1
    assert factors["mid_block.attentions.0.transformer_blocks.0.attn1.to_q"] == 0.7
    assert factors["up_blocks.3.attentions.2.transformer_blocks.0.attn1.to_q"] == 1.6
    assert len(set(factors.values())) == 17
    halved = weighed(weighed(fit, parts, ",".join(["0.5"] * 26)), parts, "ALL")
    assert {piece.factor for part in halved.parts.values() for (piece,) in part.pieces.values()} == {0.5}


@pytest.mark.parametrize("spec", ["1,2", ",".join(["1"] * 12), ",".join(["x"] * 17), ",".join(["1e9"] * 17), "1"])
def test_other_lists_are_refused(spec: str) -> None:
    with pytest.raises(BadValue, match="17 or 26 numbers between commas, or one of NONE, INS"):
        block_weights(spec, 12)


def test_other_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="nearest 'OUTALL'"):
        block_weights("OUTAL", 9)
    assert len(PRESETS) == 8


def test_models_without_these_blocks(tmp_path: Path) -> None:
    unet = tiny_unet()
    fit = fitted(read_network(written(tmp_path, kohya(unet, ["conv_in"], "lora_unet_"))), {"unet": unet})
    with pytest.raises(Unsupported, match="not this model's; leave it out"):
        weighed(fit, {"unet": unet}, "ALL")
