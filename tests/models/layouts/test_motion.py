"""Motion modules by names and shapes: the published ones whole, and others refused by what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from easel.core.errors import Unrecognised
from easel.models.files.listing import Listing, Stored
from easel.models.layouts.motion import TWICE, module_name, motion_config, motion_for
from tests.adapters.motion.making import published

VERSIONS = {"v1": (24, False), "v2": (32, True), "v3": (32, False)}  # frames, and whether there is one in the middle


def meta(**config: Any) -> Any:
    """A module of diffusers' without memory."""
    from diffusers import MotionAdapter

    with torch.device("meta"):
        return MotionAdapter(**config)


def listing(names: dict[str, tuple[int, ...]]) -> Listing:
    """A file of these tensors."""
    return Listing(Path("mm.ckpt"), {name: Stored("F16", shape, 0, 0) for name, shape in names.items()})


def published_shapes(net: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of a module's tensors under AnimateDiff's names."""
    empty = {name: torch.empty(value.shape, device="meta") for name, value in net.state_dict().items()}
    return {name: tuple(value.shape) for name, value in published(empty).items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_published_are_read_whole(version: str) -> None:
    frames, mid = VERSIONS[version]
    net = meta(motion_max_seq_length=frames, use_motion_mid_block=mid)
    shapes = published_shapes(net)
    config = motion_config(listing(shapes))
    again = meta(**config)
    wanted = {name: tuple(value.shape) for name, value in again.state_dict().items()}
    assert {module_name(name): shape for name, shape in shapes.items() if TWICE not in name} == wanted
    assert (config["motion_max_seq_length"], config["use_motion_mid_block"]) == (frames, mid)
    assert motion_for(listing(shapes)) == ("sd", "1.x")
    own = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    assert motion_config(listing(own)) == config, "diffusers' own names say the same"


def test_what_is_not_read_is_refused_by_what_it_is() -> None:
    beta = meta(block_out_channels=(320, 640, 1280), use_motion_mid_block=False)
    named = published_shapes(beta)
    assert motion_for(listing(named)) == ("sdxl", "base")
    whole = published_shapes(meta())
    for shapes, words in (
        (named, "AnimateDiff's beta for SDXL"),
        ({"down_blocks.0.temporal_attentions.0.norm.weight": (320,)}, "HotShot-XL"),
        (whole | {"conv_in.weight": (320, 9, 3, 3)}, "PIA"),
        ({"down_blocks.0.motion_modules.0.x.weight": (4,)}, "no motion module that is known"),
        ({name: shape for name, shape in whole.items() if "pos_encoder" not in name}, "as AnimateLCM has none"),
    ):
        with pytest.raises(Unrecognised, match=words):
            motion_config(listing(shapes))


def test_levels_may_have_unlike_depths() -> None:
    """As the starter's has, whose inner level only mixes channels."""
    net = meta(
        block_out_channels=(96, 192), motion_layers_per_block=1, motion_transformer_layers_per_block=(1, 0),
        motion_max_seq_length=16,
    )  # fmt: skip
    shapes = published_shapes(net)
    again = meta(**motion_config(listing(shapes)))
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in net.state_dict().items()
    }
    assert motion_for(listing(shapes)) == ("", "")


def test_heads_come_from_a_config_and_are_eight_without() -> None:
    shapes = published_shapes(meta())
    assert motion_config(listing(shapes))["motion_num_attention_heads"] == 8
    assert motion_config(listing(shapes), {"motion_num_attention_heads": 4})["motion_num_attention_heads"] == 4
