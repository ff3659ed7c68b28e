"""diffusers' layers as a processor computes them fastest in bfloat16: fewer passes over memory, the same numbers.

A layer stays the same object with the same weights and becomes of another class, so that names, hooks, merged networks
and packed weights find what they expect. Whatever looks at a layer within (a hook, a packed weight) has it compute as
diffusers does. Knows diffusers' classes; knows no model.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from easel.models.cpu.attention import attend_by
from easel.models.cpu.blocks import block_by
from easel.models.cpu.convolutions import make_ready
from easel.models.cpu.kernels import kernels
from easel.models.memory.ram import machine_memory


class GatedOnce(GEGLU):
    """A gated linear unit in two products: no pass for the bias, none for GELU, none to take its halves apart.

    Rounds once where GEGLU does twice: GELU reads the product's sum before that is made bfloat16.
    """

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return values * gelu(gates), (..., width), of (..., inner)."""
        proj = self.proj
        if not is_bare(proj) or proj.weight.dtype != torch.bfloat16 or torch.is_grad_enabled():
            return super().forward(hidden_states, *args, **kwargs)
        values, gates = proj.weight.chunk(2)
        offsets, gate_offsets = proj.bias.chunk(2) if proj.bias is not None else (None, None)
        product: Any = torch.ops.mkldnn._linear_pointwise  # what torch.compile makes of a linear layer
        gate = product(hidden_states, gates, gate_offsets, "gelu", [], "none")
        return product(hidden_states, values, offsets, "none", [], "").mul_(gate)


class TogetherTransformer(Transformer2DModel):
    """A transformer over a picture that leaves its channels together in memory, as the next convolution reads them."""

    def _get_output_for_continuous_inputs(
        self, hidden_states: Tensor, residual: Tensor, batch_size: int, height: int, width: int, inner_dim: int
    ) -> Tensor:
        """Return (batch, inner, height, width) of (batch, height * width, inner) tokens."""

        def laid(tokens: Tensor) -> Tensor:
            return tokens.reshape(batch_size, height, width, inner_dim).permute(0, 3, 1, 2)

        if self.use_linear_projection:
            return laid(self.proj_out(hidden_states)) + residual
        return self.proj_out(laid(hidden_states)) + residual


FITTED: dict[type[nn.Module], type[nn.Module]] = {GEGLU: GatedOnce, Transformer2DModel: TogetherTransformer}


def fit(part: nn.Module) -> None:
    """Let the layers of a part of a model compute as a processor does it fastest."""
    for module in part.modules():
        if type(module) in FITTED:
            cast(Any, module).__class__ = FITTED[type(module)]
    make_ready(part, machine_memory()[1])
    own = kernels()
    if own is not None:
        attend_by(part, own)
        block_by(part, own)


def is_bare(layer: nn.Module) -> bool:
    """Return whether a layer is torch's own, and nobody listens to its forwards."""
    return type(layer) is nn.Linear and not layer._forward_hooks and not layer._forward_pre_hooks
