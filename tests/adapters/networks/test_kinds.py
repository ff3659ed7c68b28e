"""Every kind of network on every kind of layer, held against LyCORIS' own modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from torch import Tensor, nn

from easel.adapters.networks.fitting import fitted
from easel.adapters.networks.merging import merged
from easel.adapters.networks.reading import read_network
from tests.adapters.networks.making import written

RANK, ALPHA = 4, 2.0
LOW = {"lora_dim": RANK, "alpha": ALPHA}

# Kind, as its file is trained: LyCORIS' module and options.
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "LoCon with Tucker": (LoConModule, LOW | {"use_tucker": True}),
    "DoRA of outputs": (LoConModule, LOW | {"weight_decompose": True}),
    "DoRA of inputs": (LoConModule, LOW | {"weight_decompose": True, "wd_on_out": False}),
    "LoHa": (LohaModule, LOW),
    "LoHa with Tucker": (LohaModule, LOW | {"use_tucker": True}),
    "LoHa with DoRA": (LohaModule, LOW | {"weight_decompose": True}),
    "LoKr": (LokrModule, LOW | {"lora_dim": 2, "factor": 4}),
    "LoKr of four": (LokrModule, LOW | {"lora_dim": 1, "decompose_both": True, "factor": 4}),
    "LoKr with Tucker": (LokrModule, LOW | {"lora_dim": 2, "use_tucker": True, "factor": 4}),
    "LoKr whole": (LokrModule, LOW | {"full_matrix": True, "factor": 4}),
    "IA3": (IA3Module, {}),
    "IA3 of inputs": (IA3Module, {"train_on_input": True}),
    "OFT": (DiagOFTModule, {"lora_dim": 4}),
    "OFT constrained": (DiagOFTModule, {"lora_dim": 4, "constraint": 1e-3}),
    "OFT rescaled": (DiagOFTModule, {"lora_dim": 4, "rescaled": True}),
    "BOFT": (ButterflyOFTModule, {"lora_dim": 4}),
    "GLoRA": (GLoRAModule, LOW),
    "difference": (FullModule, {}),
}
LAYERS = {
    "linear": lambda: nn.Linear(24, 32),
    "narrow": lambda: nn.Linear(32, 32, bias=False),
    "conv": lambda: nn.Conv2d(24, 32, 3, padding=1, stride=2),
    "point": lambda: nn.Conv2d(32, 32, 1),
}


def trained(kind: str, layer: nn.Module, seed: int) -> Any:
    """Return LyCORIS' module of a kind beside a layer, its weights as training leaves them: random and not small."""
    maker, options = KINDS[kind]
    torch.manual_seed(seed)
    module = maker("network", layer, 1.0, **options)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if not name.startswith("org_module") and name not in ("dora_scale", "rescale"):
                parameter.normal_(0, 0.3)
            elif name in ("dora_scale", "rescale"):
                parameter.mul_(1 + 0.2 * torch.rand_like(parameter))
    return module


def made(kind: str, layer: nn.Module, seed: int) -> dict[str, Tensor]:
    """Return what LyCORIS writes of a layer into a file, by the endings of its keys."""
    module = trained(kind, layer, seed)
    if kind == "difference":  # its module takes the layer's place while it trains
        return {"diff": module.weight.data, **({} if module.bias is None else {"diff_b": module.bias.data})}
    return {name: value.detach().clone() for name, value in module.state_dict().items() if "org_module" not in name}


@torch.no_grad()
def lycoris(module: Any, own: Tensor) -> Tensor:
    """Return the weight with which LyCORIS' module runs, whose own is `own`."""
    if module.name == "full":
        return own + module.weight
    if not hasattr(module, "get_weight"):
        return module.get_merged_weight(1.0)[0].reshape(own.shape)
    weight = own + module.get_weight(own.shape)  # its merging of LoHa and LoKr scales twice, its forward once
    return module.apply_weight_decompose(weight) if module.wd else weight


class Part(nn.Module):
    """A part of one layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)


def merged_weight(folder: Path, layer: nn.Module, tensors: dict[str, Tensor], strength: float) -> Tensor:
    """Return a layer's weight while it wears the tensors of a file."""
    part = Part(layer)
    file = written(folder, {f"lora_unet_layer.{name}": tensor for name, tensor in tensors.items()})
    network = read_network(file)
    assert not network.unknown
    with merged(part, [(fitted(network, {"unet": part}).parts["unet"], strength)]):
        return part.layer.weight.clone()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_lycoris(tmp_path: Path, kind: str, layer: str) -> None:
    torch.manual_seed(3)
    ours = LAYERS[layer]()
    module, tensors = trained(kind, ours, 5), made(kind, ours, 5)
    own: Tensor = ours.weight.detach().clone()
    theirs = lycoris(module, own)
    assert (theirs - own).abs().max() > 1e-3
    assert (merged_weight(tmp_path, ours, tensors, 1.0) - theirs).abs().max() < 1e-5
    half = merged_weight(tmp_path, ours, tensors, 0.5)
    if kind not in ("BOFT", "OFT rescaled"):  # which go there in several straight lines
        assert (half - (own + theirs) / 2).abs().max() < 1e-5


@pytest.mark.parametrize("size", [8, 32])
def test_butterfly_at_half_strength_is_lycoris_too(tmp_path: Path, size: int) -> None:
    layer = nn.Linear(8, size)
    module = trained("BOFT", layer, 5)
    with torch.no_grad():
        theirs = module.get_merged_weight(0.5)[0]
    assert (merged_weight(tmp_path, layer, made("BOFT", layer, 5), 0.5) - theirs).abs().max() < 1e-5


@pytest.mark.parametrize("layer", [nn.LayerNorm(16), nn.GroupNorm(4, 16)])
def test_norms(tmp_path: Path, layer: Any) -> None:
    module = NormModule("network", layer, 1.0)
    with torch.no_grad():
        module.w_norm.normal_()
        module.b_norm.normal_()
        weight, bias = module.get_merged_weight(0.4)
    file = {"lora_unet_layer.w_norm": module.w_norm.data, "lora_unet_layer.b_norm": module.b_norm.data}
    part = Part(layer)
    one = fitted(read_network(written(tmp_path, file)), {"unet": part}).parts["unet"]
    with merged(part, [(one, 0.4)]):
        assert (layer.weight - weight).abs().max() < 1e-6 and (layer.bias - bias).abs().max() < 1e-6


def test_older_glora_has_its_pairs_the_other_way_round(tmp_path: Path) -> None:
    layer = nn.Linear(24, 32)
    new = made("GLoRA", layer, 5)
    old = {"a1.weight": new["a2.weight"], "a2.weight": new["a1.weight"], "b1.weight": new["b2.weight"]}
    old |= {"b2.weight": new["b1.weight"], "alpha": new["alpha"]}
    one, other = (merged_weight(tmp_path, layer, tensors, 1.0) for tensors in (new, old))
    assert torch.equal(one, other)


def test_a_bias_of_its_own_is_given_to_a_layer_without(tmp_path: Path) -> None:
    part = Part(nn.Linear(4, 6, bias=False))
    file = written(tmp_path, {"lora_unet_layer.diff_b": torch.ones(6)})
    one = fitted(read_network(file), {"unet": part}).parts["unet"]
    with merged(part, [(one, 0.5)]):
        assert torch.equal(part.layer(torch.zeros(1, 4)), torch.full((1, 6), 0.5))
    assert part.layer.bias is None
