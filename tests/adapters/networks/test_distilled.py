"""Published few-step LoRAs: the layers and names of LCM-LoRA and of TCD's and Hyper-SD's, on a small U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_lora_to_diffusers
from torch import Tensor, nn

from easel.adapters.networks.fitting import fitted
from easel.adapters.networks.merging import merged
from easel.adapters.networks.reading import read_network
from tests.adapters.networks.making import kohya, layers, renamed, seen_by_unet, tiny_unet, written

# The layers that LCM's program distils, of attention and of convolutions; rank 64 and alpha 8 there.
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
OTHERS = ("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj")
ALPHA = 8.0


def lcm_lora(unet: nn.Module) -> dict[str, Tensor]:
    """Return tensors under the names that lcm-lora-sdv1-5 has."""
    return kohya(unet, [name for name in layers(unet) if name.endswith(ATTENTION + OTHERS)], "lora_unet_", alpha=ALPHA)


def as_diffusers(tensors: dict[str, Tensor], unet: nn.Module) -> dict[str, Tensor]:
    """Return the same as TCD's and Hyper-SD's files have it: diffusers' names, and the alpha within the numbers."""
    stems = {"lora_unet_" + name.replace(".", "_"): f"unet.{name}" for name in layers(unet)}
    found: dict[str, Tensor] = {}
    for stem, name in stems.items():
        if f"{stem}.alpha" in tensors:
            down = tensors[f"{stem}.lora_down.weight"]
            found[f"{name}.lora_A.weight"] = down * (ALPHA / len(down))
            found[f"{name}.lora_B.weight"] = tensors[f"{stem}.lora_up.weight"]
    return found


@pytest.mark.parametrize("naming", ["LCM", "TCD", "Hyper-SD with a wrapper's name"])
def test_every_layer_of_a_few_step_lora_is_worn_as_diffusers_wears_it(tmp_path: Path, naming: str) -> None:
    unet: Any = tiny_unet()
    tensors = lcm_lora(unet)
    theirs: Any = tiny_unet()
    state, alphas = _convert_non_diffusers_lora_to_diffusers(dict(tensors))
    theirs.load_lora_adapter(state, prefix="unet", network_alphas=alphas)
    if naming != "LCM":
        tensors = as_diffusers(tensors, unet)
    if naming.startswith("Hyper"):
        tensors = renamed(tensors, lambda key: key.replace("unet.", "base_model.model.", 1))
    network = read_network(written(tmp_path, tensors))
    fit = fitted(network, {"unet": unet})
    assert not network.unknown and not fit.unused
    assert {name.rpartition(".")[2] for name in fit.parts["unet"].pieces} >= {"conv1", "conv2", "conv", "time_emb_proj"}
    plain, expected = seen_by_unet(unet), seen_by_unet(theirs)
    with merged(unet, [(fit.parts["unet"], 1.0)]):
        assert (seen_by_unet(unet) - expected).abs().max() < 1e-5 < (expected - plain).abs().max()
    assert torch.equal(seen_by_unet(unet), plain)
