"""How the parts of models stand in single files: by which name each is known, and which tables read it.

A layout is a row: the names that tell it, the functions from shapes to a config and from a config to names, and what
else publishers leave under its beginning. Where in a file it stands is STANDS, in the order in which they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from easel.models.layouts import (
    names_flux,
    names_sd3,
    names_text,
    names_unet,
    names_vae,
    shapes_text,
    shapes_transformers,
    shapes_unet,
    shapes_vae,
)
from easel.models.layouts.naming import Names
from easel.models.layouts.shapes import Shapes

COMPARED = "what CLIP compares with pictures"
COUNTED = "positions, counted anew"


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a part is published.

    kind: the class that diffusers or transformers reads it with, "" where the config says so. marks: names of which one
    is there. extras: how names begin that no module reads, and what they are; they stand after the part's own
    beginning. left_over: the same of names that the table would know but for the config.
    """

    kind: str
    marks: tuple[str, ...]
    config: Callable[[Shapes], dict[str, Any]]
    names: Callable[[Mapping[str, Any]], Names]
    extras: Mapping[str, str] = field(default_factory=dict[str, str])
    left_over: Mapping[str, str] = field(default_factory=dict[str, str])


LDM_UNET = Layout(
    "UNet2DConditionModel", ("input_blocks.0.0.weight",), shapes_unet.ldm_unet_config, names_unet.ldm_unet_names
)
DIFFUSERS_UNET = Layout(
    "UNet2DConditionModel",
    ("down_blocks.0.resnets.0.time_emb_proj.weight",),
    shapes_unet.diffusers_unet_config,
    names_unet.diffusers_unet_names,
)
SD3 = Layout(
    "SD3Transformer2DModel",
    ("joint_blocks.0.x_block.attn.qkv.weight",),
    shapes_transformers.sd3_config,
    names_sd3.sd3_names,
)
DIFFUSERS_SD3 = Layout(
    "SD3Transformer2DModel",
    ("pos_embed.proj.weight",),
    shapes_transformers.diffusers_sd3_config,
    names_sd3.diffusers_sd3_names,
)
FLUX = Layout(
    "FluxTransformer2DModel",
    ("double_blocks.0.img_attn.qkv.weight",),
    shapes_transformers.flux_config,
    names_flux.flux_names,
)
DIFFUSERS_FLUX = Layout(
    "FluxTransformer2DModel",
    ("single_transformer_blocks.0.attn.to_q.weight",),
    shapes_transformers.diffusers_flux_config,
    names_flux.diffusers_flux_names,
)
LOSS = {"loss.": "the autoencoder's training loss", "model_ema.": "running average of the autoencoder"}
LDM_VAE = Layout(
    "AutoencoderKL",
    ("encoder.down.0.block.0.conv1.weight", "decoder.up.0.block.0.conv1.weight", "decoder.mid.block_1.conv1.weight"),
    shapes_vae.ldm_vae_config,
    names_vae.ldm_vae_names,
    extras=LOSS,
)
DIFFUSERS_VAE = Layout(
    "AutoencoderKL",
    ("encoder.down_blocks.0.resnets.0.conv1.weight", "decoder.mid_block.resnets.0.conv1.weight"),
    shapes_vae.diffusers_vae_config,
    names_vae.diffusers_vae_names,
)
SCALES = {"vae_scale": "the latent's scale, 1", "vae_shift": "the latent's shift, 0"}
TINY = Layout(
    "AutoencoderTiny", ("decoder.layers.0.weight",), shapes_vae.tiny_config, names_vae.tiny_names, extras=SCALES
)
TAESD = Layout(
    "AutoencoderTiny",
    ("taesd_decoder.1.weight", "taesd_encoder.0.weight"),
    shapes_vae.taesd_config,
    names_vae.taesd_names,
    extras=SCALES,
)
TAESD_DECODER = Layout(
    "AutoencoderTiny", ("18.conv.0.weight",), shapes_vae.taesd_decoder_config, names_vae.taesd_decoder_names
)
TAESD_ENCODER = Layout(
    "AutoencoderTiny", ("1.conv.0.weight",), shapes_vae.taesd_encoder_config, names_vae.taesd_encoder_names
)
CLIP = Layout(
    "",
    ("text_model.embeddings.token_embedding.weight", "embeddings.token_embedding.weight"),
    shapes_text.clip_config,
    names_text.clip_names,
    extras={
        "text_model.embeddings.position_ids": COUNTED,
        "embeddings.position_ids": COUNTED,
        "logit_scale": COMPARED,
        "vision_model.": "CLIP's eyes",
        "visual_projection.": "CLIP's eyes",
    },
    left_over={"text_projection.": COMPARED},
)
OPEN_CLIP = Layout(
    "",
    ("token_embedding.weight",),
    shapes_text.open_clip_config,
    names_text.open_clip_names,
    extras={"logit_scale": COMPARED, "attn_mask": "the causal mask, made anew", "visual.": "CLIP's eyes"},
    left_over={
        "text_projection": COMPARED,
        "transformer.resblocks.": "the text encoder's last layer, which 2.x does not read",
    },
)
OPEN_CLIP_H = replace(OPEN_CLIP, config=shapes_text.open_clip_h_config)
T5 = Layout(
    "",
    ("encoder.block.0.layer.0.SelfAttention.q.weight",),
    shapes_text.t5_config,
    names_text.t5_names,
    extras={
        "encoder.embed_tokens.": "the words, which stand there twice",
        "spiece_model": "the words of the tokenizer",
        "decoder.": "T5's decoder",
        "lm_head.": "T5's decoder",
    },
)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a layout stands: behind which beginning, and what it is: "unet", "transformer", "vae", "clip_l", "t5" ...

    "clip": told by its width.
    """

    of: str
    prefix: str
    layout: Layout


DENOISERS = {"unet": (LDM_UNET, DIFFUSERS_UNET), "transformer": (SD3, FLUX, DIFFUSERS_FLUX, DIFFUSERS_SD3)}
LATENTS = (LDM_VAE, DIFFUSERS_VAE, TINY, TAESD, TAESD_DECODER, TAESD_ENCODER)
STANDS = (
    *(
        Stand(of, prefix, layout)
        for prefix in ("model.diffusion_model.", "diffusion_model.", "")
        for of, layouts in DENOISERS.items()
        for layout in layouts
    ),
    *(Stand("vae", prefix, layout) for prefix in ("first_stage_model.", "vae.", "") for layout in LATENTS),
    Stand("clip_l", "cond_stage_model.transformer.", CLIP),
    Stand("clip_h", "cond_stage_model.model.", OPEN_CLIP_H),
    Stand("clip_l", "conditioner.embedders.0.transformer.", CLIP),
    Stand("clip_g", "conditioner.embedders.1.model.", OPEN_CLIP),
    Stand("clip_g", "conditioner.embedders.0.model.", OPEN_CLIP),
    Stand("clip_l", "text_encoders.clip_l.transformer.", CLIP),
    Stand("clip_g", "text_encoders.clip_g.transformer.", CLIP),
    Stand("t5", "text_encoders.t5xxl.transformer.", T5),
    Stand("clip", "", CLIP),
    Stand("clip", "", OPEN_CLIP),
    Stand("t5", "", T5),
)

# What published files carry outside their parts, by how it begins.
EXTRAS = {
    "model_ema.": "running average of the U-Net, for training on",
    "cond_stage_model.logit_scale": COMPARED,
    "cond_stage_model.text_projection": COMPARED,
    "conditioner.embedders.0.logit_scale": COMPARED,
    "conditioner.embedders.0.text_projection": COMPARED,
    "conditioner.embedders.1.logit_scale": COMPARED,
    "text_encoders.clip_l.logit_scale": COMPARED,
    "text_encoders.clip_g.logit_scale": COMPARED,
    "text_encoders.clip_l.text_projection": COMPARED,
    "text_encoders.clip_g.text_projection": COMPARED,
    "text_encoders.t5xxl.logit_scale": COMPARED,
    "text_encoders.t5xxl.spiece_model": "the words of the tokenizer",
    "betas": "noise schedule",
    "alphas_cumprod": "noise schedule",
    "sqrt_": "noise schedule",
    "log_one_minus_alphas_cumprod": "noise schedule",
    "posterior_": "noise schedule",
    "lvlb_weights": "noise schedule",
    "logvar": "noise schedule",
    "denoiser.": "noise schedule",
    "model_sampling.": "noise schedule",
    "scale_factor": "the latent's scale",
    "v_pred": "mark: predicts v",
    "ztsnr": "mark: noise to nothing but noise",
    "safety_checker.": "the safety checker",
    "embedding_manager.": "textual inversion while it is trained",
    "model.embedding_manager.": "textual inversion while it is trained",
}
