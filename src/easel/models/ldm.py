"""The names of Stable Diffusion's single files (CompVis' latent-diffusion) beside diffusers' and transformers' names.

All of it is tables: a name in the file begins with the left side, and the module has the right side in its place. What
repeats (levels, layers) is written out from the config. Knows names; knows no tensors and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNET, VAE, CLIP, OPEN_CLIP = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.transformer.",
    "cond_stage_model.model.",
)

# What published files carry beside the model, and what it is.
UNUSED = {
    "model_ema.": "running average of the U-Net, for training on",
    "first_stage_model.loss.": "the autoencoder's training loss",
    "cond_stage_model.transformer.text_model.embeddings.position_ids": "positions, counted anew",
    "cond_stage_model.transformer.embeddings.position_ids": "positions, counted anew",
    "cond_stage_model.transformer.text_projection.": "what CLIP compares with pictures",
    "cond_stage_model.transformer.vision_model.": "CLIP's eyes",
    "cond_stage_model.model.text_projection": "what CLIP compares with pictures",
    "cond_stage_model.model.logit_scale": "what CLIP compares with pictures",
    "cond_stage_model.model.attn_mask": "the causal mask, made anew",
    "cond_stage_model.logit_scale": "what CLIP compares with pictures",
    "cond_stage_model.text_projection": "what CLIP compares with pictures",
    "betas": "noise schedule",
    "alphas_cumprod": "noise schedule",
    "sqrt_": "noise schedule",
    "log_one_minus_alphas_cumprod": "noise schedule",
    "posterior_": "noise schedule",
    "lvlb_weights": "noise schedule",
    "logvar": "noise schedule",
    "scale_factor": "the latent's scale, 0.18215",
    "v_pred": "mark: predicts v",
    "ztsnr": "mark: noise to nothing but noise",
    "embedding_manager.": "textual inversion while it is trained",
    "model.embedding_manager.": "textual inversion while it is trained",
}

# What a table of names leaves over of a part, and why.
LEFT_OVER = {"cond_stage_model.model.transformer.resblocks.": "the text encoder's last layer, which 2.x does not read"}

RESNET = {
    "in_layers.0.": "norm1.",
    "in_layers.2.": "conv1.",
    "emb_layers.1.": "time_emb_proj.",
    "out_layers.0.": "norm2.",
    "out_layers.3.": "conv2.",
    "skip_connection.": "conv_shortcut.",
}
UNET_ENDS = {
    "time_embed.0.": "time_embedding.linear_1.",
    "time_embed.2.": "time_embedding.linear_2.",
    "input_blocks.0.0.": "conv_in.",
    "out.0.": "conv_norm_out.",
    "out.2.": "conv_out.",
}
VAE_RESNET = {"norm1.": "norm1.", "conv1.": "conv1.", "norm2.": "norm2.", "conv2.": "conv2."}
VAE_RESNET |= {"nin_shortcut.": "conv_shortcut."}
VAE_ATTENTION = {"norm.": "group_norm.", "q.": "to_q.", "k.": "to_k.", "v.": "to_v.", "proj_out.": "to_out.0."}
VAE_ENDS = {"conv_in.": "conv_in.", "norm_out.": "conv_norm_out.", "conv_out.": "conv_out."}
OPEN_CLIP_LAYER = {
    "ln_1.": "layer_norm1.",
    "ln_2.": "layer_norm2.",
    "attn.in_proj_": "self_attn.in_proj_",
    "attn.out_proj.": "self_attn.out_proj.",
    "mlp.c_fc.": "mlp.fc1.",
    "mlp.c_proj.": "mlp.fc2.",
}
OPEN_CLIP_ENDS = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.": "embeddings.token_embedding.",
    "ln_final.": "final_layer_norm.",
}
CLIP_ENDS = {
    f"{wrapper}{name}": name
    for wrapper in ("text_model.", "")
    for name in ("embeddings.", "encoder.", "final_layer_norm.")
}

Names = dict[str, str]


def inside(old: str, new: str, names: Mapping[str, str]) -> Names:
    """Return the names of one part of a network, both sides with where it stands."""
    return {old + left: new + right for left, right in names.items()}


def unet_names(config: Mapping[str, Any]) -> Names:
    """Return the U-Net's names. config: diffusers'."""
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    attends = [kind.startswith("CrossAttn") for kind in config["down_block_types"]]
    names = dict(UNET_ENDS)
    for level in range(levels):
        down, first = f"down_blocks.{level}.", 1 + level * (layers + 1)
        for layer in range(layers):
            old = f"input_blocks.{first + layer}."
            names |= inside(f"{old}0.", f"{down}resnets.{layer}.", RESNET)
            if attends[level]:
                names[f"{old}1."] = f"{down}attentions.{layer}."
        if level < levels - 1:
            names[f"input_blocks.{first + layers}.0.op."] = f"{down}downsamplers.0.conv."
        up, first, attending = f"up_blocks.{level}.", level * (layers + 1), attends[levels - 1 - level]
        for layer in range(layers + 1):
            old = f"output_blocks.{first + layer}."
            names |= inside(f"{old}0.", f"{up}resnets.{layer}.", RESNET)
            if attending:
                names[f"{old}1."] = f"{up}attentions.{layer}."
        if level < levels - 1:
            names[f"output_blocks.{first + layers}.{1 + attending}.conv."] = f"{up}upsamplers.0.conv."
    names |= inside("middle_block.0.", "mid_block.resnets.0.", RESNET)
    names["middle_block.1."] = "mid_block.attentions.0."
    return names | inside("middle_block.2.", "mid_block.resnets.1.", RESNET)


def vae_names(config: Mapping[str, Any]) -> Names:
    """Return the autoencoder's names; its levels are counted from below in the file's decoder. config: diffusers'."""
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    names = {"quant_conv.": "quant_conv.", "post_quant_conv.": "post_quant_conv."}
    for side, way, more in (("encoder.", "down", 0), ("decoder.", "up", 1)):
        names |= inside(side, side, VAE_ENDS)
        names |= inside(f"{side}mid.attn_1.", f"{side}mid_block.attentions.0.", VAE_ATTENTION)
        for number in (0, 1):
            names |= inside(f"{side}mid.block_{number + 1}.", f"{side}mid_block.resnets.{number}.", VAE_RESNET)
        for level in range(levels):
            old = f"{side}{way}.{levels - 1 - level if way == 'up' else level}."
            new = f"{side}{way}_blocks.{level}."
            for layer in range(layers + more):
                names |= inside(f"{old}block.{layer}.", f"{new}resnets.{layer}.", VAE_RESNET)
            if level < levels - 1:
                names[f"{old}{way}sample.conv."] = f"{new}{way}samplers.0.conv."
    return names


def clip_names(config: Mapping[str, Any]) -> Names:
    """Return the names of Stable Diffusion 1's text encoder, with or without its wrapper's name."""
    return dict(CLIP_ENDS)


def open_clip_names(config: Mapping[str, Any]) -> Names:
    """Return the names of Stable Diffusion 2's text encoder. config: transformers'."""
    names = dict(OPEN_CLIP_ENDS)
    for layer in range(config["num_hidden_layers"]):
        names |= inside(f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}.", OPEN_CLIP_LAYER)
    return names


def renamed(key: str, names: Mapping[str, str]) -> str | None:
    """Return a name of the file as the module has it, by the longest beginning that the table holds, else None."""
    for end in range(len(key), 0, -1):
        if (new := names.get(key[:end])) is not None:
            return new + key[end:]
    return None


def why_unused(key: str) -> str | None:
    """Return what a name is that no part of the model reads, None where it is not among what is published."""
    return next((what for prefix, what in UNUSED.items() if key.startswith(prefix)), None)


def why_left_over(key: str) -> str | None:
    """Return why a part of the model leaves a name of its own unread, None where that is not known."""
    return next((why for prefix, why in LEFT_OVER.items() if key.startswith(prefix)), None)
