"""The endings and beginnings of a network file's keys, of every program that writes them: tables.

An ending says what a tensor is for; a beginning says in which part of a model its layer stands. What is between them
names the layer, and is left to aliases.py. Knows no tensors and no models.
"""

from __future__ import annotations

# Ending to role: kohya's and LyCORIS', peft's, and diffusers' before peft.
ROLES = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_mid.weight": "mid",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_B.bias": "up_bias",
    ".lora_B.default.bias": "up_bias",
    ".lora_up.bias": "up_bias",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".alpha": "alpha",
    ".network_alpha": "alpha",
    ".scale": "scale",
    ".dora_scale": "lengths",
    ".lora_magnitude_vector": "magnitude",
    ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector.default.weight": "magnitude",
    ".weight": "weight",
    ".on_input": "on_input",
    ".ia3_l": "ia3_l",
    ".oft_blocks": "oft_blocks",
    ".rescale": "rescale",
    ".diff": "diff",
    ".diff_b": "diff_b",
    ".w_norm": "w_norm",
    ".b_norm": "diff_b",
    ".bm.weight": "bm",
}
ROLES |= {f".{name}.weight": name for name in ("a1", "a2", "b1", "b2")}
ROLES |= {f".hada_{name}": f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")}
ROLES |= {f".lokr_{name}": f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t1", "t2")}

DENOISER = ("unet", "transformer")
FIRST, SECOND, THIRD = ("text_encoder",), ("text_encoder_2",), ("text_encoder_3",)
T5 = ("text_encoder_3", "text_encoder_2")  # of SD 3, of Flux
ANY = (*DENOISER, *FIRST, *SECOND, *THIRD)

# Beginning, with "_" for ".", to the parts that it may mean, as diffusers calls them.
PARTS = {
    "lora_unet_": DENOISER,
    "lora_transformer_": DENOISER,
    "lora_prior_": DENOISER,
    "lycoris_": DENOISER,
    "unet_": DENOISER,
    "transformer_": DENOISER,
    "diffusion_model_": DENOISER,
    "model_diffusion_model_": DENOISER,
    "lora_te_": FIRST,
    "lora_te1_": FIRST,
    "lora_te2_": (*SECOND, *FIRST),
    "lora_te3_": T5,
    "text_encoder_": FIRST,
    "text_encoder_2_": SECOND,
    "text_encoder_3_": THIRD,
    "clip_l_": FIRST,
    "clip_g_": SECOND,
    "t5_": T5,
    "t5xxl_": T5,
    "text_encoders_clip_l_transformer_": FIRST,
    "text_encoders_clip_g_transformer_": SECOND,
    "text_encoders_t5xxl_transformer_": T5,
    "base_model_model_": ANY,
    "": ANY,
}

BUNDLED = "bundle_emb."  # a textual inversion inside: bundle_emb.WORD.string_to_param.*


def split_key(key: str) -> tuple[str, str] | None:
    """Return a key's layer and role by the longest ending that is known, else None."""
    for first in range(1, len(key)):
        if key[first] in "._" and (role := ROLES.get(key[first:])) is not None:
            return key[:first].replace(".processor.", "."), role
    return None


def flat(name: str) -> str:
    """Return a name as kohya's files have it, which cannot tell a dot from an underscore."""
    return name.replace(".", "_")


def places_of(layer: str) -> list[tuple[tuple[str, ...], str]]:
    """Return in which parts a layer of a file may stand and its flat name there, the longest beginning first."""
    name = flat(layer)
    fitting = sorted((start for start in PARTS if name.startswith(start)), key=len, reverse=True)
    return [(PARTS[start], name[len(start) :]) for start in fitting]
