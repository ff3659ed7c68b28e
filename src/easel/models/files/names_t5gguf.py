"""The names of a T5 encoder in GGUF files, which llama.cpp gave them, as the published safetensors have them."""

from __future__ import annotations

LAYER = {
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "attn_norm": "layer.0.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
    "ffn_norm": "layer.1.layer_norm",
}
ENDS = {"token_embd": "shared", "enc.output_norm": "encoder.final_layer_norm"}


def published_name(name: str) -> str:
    """Return a name as the published T5 encoder has it; one that is not known stays as it is."""
    stem, _, kind = name.rpartition(".")
    if stem in ENDS:
        return f"{ENDS[stem]}.{kind}"
    parts = stem.split(".")
    if len(parts) == 4 and parts[:2] == ["enc", "blk"] and parts[3] in LAYER:
        return f"encoder.block.{parts[2]}.{LAYER[parts[3]]}.{kind}"
    return name
