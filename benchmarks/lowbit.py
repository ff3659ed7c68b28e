"""Weights in few bits: what they take, what they lose, and what a layer's forward costs beside bfloat16.

Weights are random and normal, as trained ones nearly are. The error of an output is that of a small random U-Net and a
small random Flux, whose layers all hold such weights, beside the same in float32. K-quants are packed by tools that are
not here: their blocks are random, so only what they take and cost is shown.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from easel.models.files.packed import Packed
from easel.models.files.packed_layers import keeps
from easel.models.files.weights import build, read_tensors
from tests.ldm import write_ldm
from tests.lowbit import gguf_codes, nf4, scaled_float8, write_gguf

SIDE, TOKENS, ROUNDS = 2048, (64, 1024, 4096), 9
Pack = Callable[[Tensor], Packed]


def through(tensors: dict[str, Tensor], name: str = "w.weight") -> Packed:
    """Return the weight that a safetensors file of these tensors gives."""
    with tempfile.TemporaryDirectory() as folder:
        found = read_tensors((write_ldm(Path(folder) / "w.safetensors", tensors),))[name]
    assert isinstance(found, Packed)
    return found


def gguf(kind: str) -> Pack:
    """Return what packs a weight in GGUF's blocks."""

    def pack(weight: Tensor) -> Packed:
        codes = gguf_codes(kind, len(weight), weight[0].numel(), weight.flatten(1))
        with tempfile.TemporaryDirectory() as folder:
            found = read_tensors((write_gguf(Path(folder) / "w.gguf", {"w": (codes, kind)}),))["w"]
        assert isinstance(found, Packed)
        return found.reshaped(*weight.shape)

    return pack


def plain(kind: str, dtype: torch.dtype) -> Pack:
    """Return what rounds a weight to a short format."""
    return lambda weight: Packed(kind, tuple(weight.shape), {"codes": weight.to(dtype).flatten(1)})


KINDS: dict[str, Pack] = {
    "F16": plain("F16", torch.float16),
    "F8_E4M3": plain("F8_E4M3", torch.float8_e4m3fn),
    "F8_E5M2": plain("F8_E5M2", torch.float8_e5m2),
    "fp8 scaled": lambda weight: through(scaled_float8("w", weight)),
    "fp8 scaled by row": lambda weight: through(scaled_float8("w", weight, by_row=True)),
    "NF4": lambda weight: through(nf4("w.weight", weight)),
    **{kind: gguf(kind) for kind in ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K")},
}
RANDOM = ("Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K")  # their blocks are no weight's


def unet() -> tuple[nn.Module, tuple[Any, ...]]:
    """Return a small random U-Net and what it is called with."""
    sizes: Any = {"block_out_channels": (64, 128), "cross_attention_dim": 128, "norm_num_groups": 8}
    kinds: Any = {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D")}
    kinds |= {"up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "layers_per_block": 1, "attention_head_dim": 8}
    module = UNet2DConditionModel(**sizes, **kinds)
    return module, (torch.randn(2, 4, 16, 16), torch.tensor([500, 100]), torch.randn(2, 77, 128))


def flux() -> tuple[nn.Module, tuple[Any, ...]]:
    """Return a small random Flux transformer and what it is called with."""
    sizes: Any = {"num_layers": 2, "num_single_layers": 4, "attention_head_dim": 32, "num_attention_heads": 4}
    sizes |= {"joint_attention_dim": 128, "pooled_projection_dim": 64, "axes_dims_rope": (8, 12, 12), "in_channels": 64}
    module = FluxTransformer2DModel(**sizes)
    inputs = torch.randn(1, 64, 64), torch.randn(1, 32, 128), torch.randn(1, 64), torch.tensor([0.5])
    return module, (*inputs, torch.zeros(64, 3), torch.zeros(32, 3))


def error(found: Tensor, expected: Tensor) -> str:
    """Return how far a result is from the expected one, relative to its size."""
    return f"{float((found - expected).norm() / expected.norm()):.2%}"


@torch.inference_mode()
def output_error(make: Callable[[], tuple[nn.Module, tuple[Any, ...]]], pack: Pack) -> str:
    """Return the error of a network's output with every layer that keeps packed, where its rows are whole blocks."""
    torch.manual_seed(0)
    module, inputs = make()
    expected = module.eval()(*inputs, return_dict=False)[0]
    given: dict[str, Tensor | Packed] = dict(module.state_dict())
    for name, layer in module.named_modules():
        weight = given.get(f"{name}.weight")
        if keeps(layer) and isinstance(weight, Tensor) and weight[0].numel() % 32 == 0:
            given[f"{name}.weight"] = pack(weight).reshaped(*weight.shape)
    made = build(lambda: make()[0], given, Path("net"), dtype=torch.float32, device="cpu")
    return error(made(*inputs, return_dict=False)[0], expected)


@torch.inference_mode()
def seconds(layer: Any, tokens: int) -> float:
    """Return the least seconds of a layer's forward."""
    x = torch.randn(tokens, SIDE).bfloat16()
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        began = perf_counter()
        layer(x)
        times.append(perf_counter() - began)
    return min(times)


def layer_of(weight: Tensor | Packed) -> Any:
    """Return a Linear of a weight, whose forwards are in bfloat16."""
    options: Any = {"dtype": torch.bfloat16, "device": "cpu"}
    return build(lambda: nn.Linear(SIDE, SIDE, bias=False), {"weight": weight}, Path("layer"), **options)


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    weight = torch.randn(SIDE, SIDE) * 0.02
    table = Table(title=f"a weight of {SIDE} x {SIDE}; time of a layer's forward, 1 is bfloat16")
    headings = ["kind", "bits a weight", "error of the weight", "of a U-Net", "of a Flux"]
    for heading in (*headings, *(f"{tokens} tokens" for tokens in TOKENS)):
        table.add_column(heading, justify="right")
    plain_layer = layer_of(weight)
    base = [seconds(plain_layer, tokens) for tokens in TOKENS]
    table.add_row("bfloat16", "16.00", error(weight.bfloat16().float(), weight), "", "", *("1.00",) * len(TOKENS))
    for kind, pack in KINDS.items():
        packed = pack(weight)
        layer = layer_of(packed)
        ratios = [f"{seconds(layer, tokens) / one:.2f}" for tokens, one in zip(TOKENS, base, strict=True)]
        errors = ("", "", "")
        if kind not in RANDOM:
            outputs = output_error(unet, pack), output_error(flux, pack)
            errors = (error(packed.unpacked(torch.float32), weight), *outputs)
        table.add_row(kind, f"{8 * packed.nbytes / weight.numel():.2f}", *errors, *ratios)
    Console(width=120).print(table)
    print(
        "bfloat16 seconds: " + ", ".join(f"{tokens} tokens {one:.4f}" for tokens, one in zip(TOKENS, base, strict=True))
    )


if __name__ == "__main__":
    main()
