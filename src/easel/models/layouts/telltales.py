"""Names of tensors that tell what a file is that is no model and no part of one: LoRA, ControlNet, upscaler ...

A table: what it is called, and how names in it begin or what stands in them. Knows names and shapes only.
"""

from __future__ import annotations

from dataclasses import dataclass

from easel.models.files.listing import Listing
from easel.models.layouts.controls import control_for
from easel.models.layouts.motion import motion_for


@dataclass(frozen=True, slots=True)
class Telltale:
    """What a file is: a kind, "" for models that are not read at all, and words for it.

    starts, holds: how names in it begin, or what stands in them; lacks: how none may begin.
    """

    kind: str
    words: str
    starts: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def fits(self, names: str) -> bool:
        """Return whether a name in the file tells this; all of them in one string, each on a line."""
        told = any(f"\n{start}" in names for start in self.starts) or any(held in names for held in self.holds)
        return told and not any(f"\n{start}" in names for start in self.lacks)


TELLTALES = (
    Telltale(
        "lora",
        "a LoRA",
        ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_", "lora_transformer_", "lycoris_"),
        (
            *(".lora_down.", ".lora_up.", ".lora_A.", ".lora_B.", ".lora.down.", ".lora.up.", ".lora_linear_layer."),
            *("_lora.down.", "_lora.up.", ".hada_w1_", ".lokr_w1", ".oft_blocks", ".oft_diag", ".dora_scale"),
        ),
        lacks=("ip_adapter.", "image_proj."),  # FaceID's have a LoRA among their own
    ),
    Telltale(
        "controlnet",
        "a ControlNet",
        (
            *("control_model.", "controlnet_cond_embedding.", "input_hint_block.", "controlnet_blocks."),
            *("controlnet_x_embedder.", "controlnet_down_blocks.", "control_add_embedding.", "pos_embed_input."),
            "lllite_",
        ),
    ),
    Telltale(
        "t2i_adapter",
        "a T2I-Adapter",
        ("adapter.body.", "adapter.conv_in.", "body.0.block1.", "body.0.resnets.", "body.0.body.0.block1."),
    ),
    Telltale("ip_adapter", "an IP-Adapter", ("ip_adapter.", "image_proj.", "image_proj_model.")),
    Telltale("motion_module", "a motion module", (), ("motion_modules.",)),
    Telltale("embedding", "a textual inversion", ("emb_params", "string_to_param", "string_to_token", "<")),
    Telltale(
        "face_restorer",
        "a restorer of faces",
        ("quantize.embedding.", "params.quantize.embedding.", "params_ema.quantize.embedding."),
        ("stylegan_decoder.", "fuse_convs_dict."),
    ),
    Telltale("detector", "a detector of faces", (), ("LandmarkHead.",)),
    Telltale(
        "upscaler",
        "an upscaler",
        ("params_ema", "params.", "body.", "conv_first.", "model.0.weight", "model.1.sub.", "layers.0.residual_group."),
        lacks=("out_mask_conv.",),  # of what parses faces, beside restorers
    ),
    Telltale(
        "clip_vision",
        "an image encoder (CLIP vision)",
        ("vision_model.embeddings.", "visual.class_embedding"),
        lacks=("text_model.", "token_embedding."),
    ),
    Telltale(
        "preprocessor",
        "a preprocessor's network",
        (
            *(
                "block1.convs.",
                "model0.1.",
                "module.model.model.",
                "block15.conv",
                "block_1.conv1.",
                "backbone.",
                "neck.",
            ),
            *("dpt.", "segformer.encoder.", "model.pixel_level_module."),
        ),
    ),
    Telltale("", "Stable Diffusion 2 unCLIP", ("noise_augmentor.",)),
    Telltale("", "HotShot-XL", (), (".temporal_attentions.",)),
    Telltale("", "a video model", (), (".time_stack.", ".time_mixer.", "temporal_transformer_blocks.")),
    Telltale("", "Playground 2.5", ("edm_mean", "edm_std")),
    Telltale("", "CosXL", ("edm_vpred.",)),
    Telltale("", "Chroma", (), ("distilled_guidance_layer.",)),
    Telltale("", "Flux.2", (), ("double_stream_modulation_img.",)),
    Telltale("", "Flux Redux", ("redux_up.",)),
    Telltale("", "AuraFlow", (), ("double_layers.0.attn.",)),
    Telltale("", "Stable Cascade", ("clip_txt_mapper.", "clip_txt_pooled_mapper.")),
    Telltale("", "Lumina", (), ("cap_embedder.",)),
    Telltale("", "Qwen-Image", (), ("transformer_blocks.0.img_mod.1.",)),
    Telltale("", "HunyuanVideo", (), ("txt_in.individual_token_refiner.",)),
    Telltale("", "LTX-Video", (), ("patchify_proj.",)),
    Telltale("", "Wan", (), ("head.modulation", "vace_blocks.")),
    Telltale("", "PixArt", (), ("y_embedder.y_embedding", "caption_projection.")),
)
SCARCE = 3  # a file of at most so many tensors may be a textual inversion, by their shapes


def telltale(listing: Listing) -> Telltale | None:
    """Return what a file is that is neither a model nor a part of one, None where nothing tells."""
    names = listing.tensors
    lines = "\n" + "\n".join(names)
    if found := next((told for told in TELLTALES if told.fits(lines)), None):
        return found
    towers = set(names) <= {"clip_l", "clip_g", "t5xxl"}
    vectors = all(0 < len(tensor.shape) <= 2 and tensor.shape[-1] in EMBEDDED for tensor in names.values())
    return EMBEDDING if names and len(names) <= SCARCE and vectors and (towers or len(names) == 1) else None


EMBEDDING = next(told for told in TELLTALES if told.kind == "embedding")
EMBEDDED = {768: ("sd", "1.x"), 1024: ("sd", "2.x"), 1280: ("sdxl", "base"), 4096: ("flux", "")}  # by width
READ = {768: ("sd", "1.x"), 1024: ("sd", "2.x"), 2048: ("sdxl", "base"), 1280: ("sdxl", "refiner")}  # width of words

# What stands in the names of a LoRA for a family, and which it is; what comes first is told.
LORAS = {
    "double_blocks": ("flux", ""),
    "single_transformer_blocks": ("flux", ""),
    "single_blocks": ("flux", ""),
    "joint_blocks": ("sd3", ""),
    "attn_add_q_proj": ("sd3", ""),
    "attn.add_q_proj": ("sd3", ""),
    "lora_te2_": ("sdxl", "base"),
    "text_encoder_2.": ("sdxl", "base"),
}
INTO = ("lora_down", "lora_A", "lora.down", "hada_w1_b", "hada_w2_b")  # the halves that read


def made_for(told: Telltale, listing: Listing) -> tuple[str, str]:
    """Return the family and variant for which what is no model was made, "" where nothing tells."""
    if told.kind in ("controlnet", "t2i_adapter"):
        return control_for(listing)
    if told.kind == "motion_module":
        return motion_for(listing)
    if told.kind == "ip_adapter":
        keys = listing.tensors.get("ip_adapter.1.to_k_ip.weight")
        return READ.get(keys.shape[-1], ("", "")) if keys is not None and keys.shape else ("", "")
    if told.kind == "embedding":
        widths = {tensor.shape[-1] for tensor in listing.tensors.values() if tensor.shape}
        return next((EMBEDDED[width] for width in sorted(widths, reverse=True) if width in EMBEDDED), ("", ""))
    if told.kind != "lora":
        return "", ""
    for held, family in LORAS.items():
        if any(held in name for name in listing.tensors):
            return family
    for name, tensor in listing.tensors.items():
        reads = "attn2" in name and ("to_k" in name or "to_v" in name) and any(half in name for half in INTO)
        if reads and len(tensor.shape) > 1 and tensor.shape[1] in READ:
            return READ[tensor.shape[1]]
    return "", ""
