"""What each family is made of: its parts, what may fill each, and what shapes do not tell of them.

A table. Part names are diffusers' folder names. Knows no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from easel.models.layouts.shapes import Shapes

PLAIN, PROJECTED = {"architectures": ["CLIPTextModel"]}, {"architectures": ["CLIPTextModelWithProjection"]}
ACTIVATIONS = {"clip_l": "quick_gelu", "clip_g": "gelu", "clip_h": "gelu"}
WIDTHS = {1024: "clip_h", 1280: "clip_g"}  # of CLIP's towers; all others are CLIP-L
SPOKEN = {
    "unet": "U-Net",
    "transformer": "transformer",
    "vae": "autoencoder (VAE)",
    "clip_l": "text encoder CLIP-L",
    "clip_g": "text encoder CLIP-G",
    "clip_h": "text encoder CLIP-H",
    "t5": "text encoder T5",
}


@dataclass(frozen=True, slots=True)
class Role:
    """One part of a family.

    of: what may fill it. told: what its config has beside what shapes tell. needed: whether the family goes without it.
    unprojected: a text encoder whose module projects and whose family does not, so that the projection is no change.
    """

    of: tuple[str, ...]
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    words: str = ""
    needed: bool = True
    unprojected: bool = False

    @property
    def spoken(self) -> str:
        """The part in words."""
        return self.words or SPOKEN[self.of[0]]


def autoencoder(scale: float, shift: float | None = None, **told: Any) -> Role:
    """Return the role of an autoencoder: how the family scales its latents."""
    return Role(("vae",), {"scaling_factor": scale, "shift_factor": shift, **told})


BASE = {
    "unet": Role(("unet",), {"sample_size": 128}),
    "vae": autoencoder(0.13025, force_upcast=True, sample_size=1024),
    "text_encoder": Role(("clip_l",), PLAIN),
    "text_encoder_2": Role(("clip_g",), PROJECTED),
}
FAMILIES: dict[str, dict[str, Role]] = {
    "sd": {
        "unet": Role(("unet",), {"sample_size": 64}),
        "vae": autoencoder(0.18215),
        "text_encoder": Role(("clip_l", "clip_h"), PLAIN, words="text encoder"),
    },
    "sdxl": BASE,
    "sd3": {
        "transformer": Role(("transformer",)),
        "vae": autoencoder(1.5305, 0.0609, force_upcast=True, sample_size=1024),
        "text_encoder": Role(("clip_l",), PROJECTED, unprojected=True),
        "text_encoder_2": Role(("clip_g",), PROJECTED),
        "text_encoder_3": Role(("t5",), needed=False),
    },
    "flux": {
        "transformer": Role(("transformer",)),
        "vae": autoencoder(0.3611, 0.1159, force_upcast=True, sample_size=1024),
        "text_encoder": Role(("clip_l",), PLAIN),
        "text_encoder_2": Role(("t5",)),
    },
}
REFINER = {part: role for part, role in BASE.items() if part != "text_encoder"}
WORDS = {"sd": "Stable Diffusion", "sdxl": "SDXL", "sd3": "Stable Diffusion 3", "flux": "Flux.1"}

# Which families read what stands alone; shapes do not tell 1.x and XL apart, nor 3 and Flux.
READ_BY = {
    "clip_l": ("sd", "sdxl", "sd3", "flux"),
    "clip_h": ("sd",),
    "clip_g": ("sdxl", "sd3"),
    "t5": ("flux", "sd3"),
}
VAE_READ_BY = {4: ("sd", "sdxl"), 16: ("flux", "sd3")}  # by channels of the latent
DENOISERS = {"SD3Transformer2DModel": "sd3", "FluxTransformer2DModel": "flux"}  # families by class
FLOW = ("sd3", "flux")  # families that predict flow
SCHEDULES: dict[str, dict[str, Any]] = {
    "sd3": {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0},
    "dev": {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "shift": 3.0,
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    },
    "schnell": {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "shift": 1.0,
        "use_dynamic_shifting": False,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    },
}


def roles_of(family: str, variant: str = "") -> Mapping[str, Role]:
    """Return the parts of a family; the refiner of XL goes without the first text encoder."""
    return REFINER if (family, variant) == ("sdxl", "refiner") else FAMILIES[family]


def family_of(kind: str, config: Mapping[str, Any]) -> str:
    """Return the family of a denoiser by diffusers' class and config; "" where it is of none.

    XL is told two things beside words, sizes and the pooled text, and has more than one transformer block in the
    middle; other U-Nets that are told more than words are not read.
    """
    if kind != "UNet2DConditionModel":
        return DENOISERS.get(kind, "")
    if config.get("addition_embed_type") is None:
        return "" if config.get("class_embed_type") or config.get("num_class_embeds") else "sd"
    depths = config.get("transformer_layers_per_block", 1)
    deepest = depths if isinstance(depths, int) else depths[-1]
    return "sdxl" if config["addition_embed_type"] == "text_time" and deepest != 1 else ""


def variant_of(family: str, config: Mapping[str, Any]) -> str:
    """Return a denoiser's variant in words, by diffusers' config."""
    if family == "sd":
        return "2.x" if config.get("use_linear_projection") else "1.x"
    if family == "sdxl":
        sizes = config["projection_class_embeddings_input_dim"] - config["cross_attention_dim"]
        return "refiner" if sizes == 5 * config["addition_time_embed_dim"] else "base"
    if family == "sd3":
        if not config.get("qk_norm"):
            return "3"
        return "3.5 medium" if config.get("dual_attention_layers") else "3.5 large"
    return "dev" if config.get("guidance_embeds") else "schnell"


def encoder_of(shapes: Shapes, token_embedding: tuple[str, ...]) -> str:
    """Return which CLIP a tower is, by its width."""
    width = next((shapes[key][-1] for key in token_embedding if shapes.get(key)), 0)
    return WIDTHS.get(width, "clip_l")
