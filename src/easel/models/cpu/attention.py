"""diffusers' attention layers with our kernel. Knows no model."""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn

from easel.models.cpu.kernels import Kernels


class OwnAttention(AttnProcessor2_0):
    """diffusers' attention with our kernel; for whatever the kernel does not take it is diffusers' own."""

    def __init__(self, kernels: Kernels) -> None:
        super().__init__()
        self._kernels = kernels

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return softmax(q k' / sqrt(width)) v, (batch, heads, tokens, width), by our kernel where it takes these."""
        own = self._kernels.takes_attention(query, key, value)
        return (self._kernels.attend if own else nn.functional.scaled_dot_product_attention)(query, key, value)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """Return (batch, tokens, channels) of the same; encoder_hidden_states: (batch, keys, width), own where None."""
        if attention_mask is None and hidden_states.ndim == 3 and is_plain(attn):
            batch, tokens, _ = hidden_states.shape
            read = hidden_states if encoder_hidden_states is None else encoder_hidden_states
            made = (attn.to_q(hidden_states), attn.to_k(read), attn.to_v(read))
            query, key, value = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in made)
            return attn.to_out[0](self.attend(query, key, value).transpose(1, 2).reshape(batch, tokens, -1))
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb, *args, **kwargs)


def is_plain(attn: Any) -> bool:
    """Return whether an attention layer does nothing but attend: no norms, no residual, no scale at its end."""
    norms = (attn.group_norm, attn.spatial_norm, attn.norm_q, attn.norm_k, attn.norm_cross)
    return not any(norms) and not attn.residual_connection and attn.rescale_output_factor == 1


def attend_by(part: nn.Module, kernels: Kernels) -> None:
    """Let the attention layers of a part of a model use our kernel, where they have torch's attention now."""
    for module in part.modules():
        if type(getattr(module, "processor", None)) is AttnProcessor2_0:
            module.processor = OwnAttention(kernels)  # type: ignore[assignment]
