"""What diffusers keeps beside the weights of each family: pipeline, scheduler, and classes of configs. A table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from easel.models.layouts.identify import Identity

BETAS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
DDIM = {"_class_name": "DDIMScheduler", **BETAS, "clip_sample": False, "set_alpha_to_one": False}
EULER = {"_class_name": "EulerDiscreteScheduler", **BETAS, "timestep_spacing": "leading"}
NONE = [None, None]  # how diffusers writes a part that a pipeline goes without


@dataclass(frozen=True, slots=True)
class Pipeline:
    """diffusers' pipeline of a family: its class, that for inpainting, its scheduler and what its index says beside."""

    name: str
    inpainting: str = ""
    scheduler: Mapping[str, Any] = field(default_factory=dict[str, Any])
    index: Mapping[str, Any] = field(default_factory=dict[str, Any])


XL = {"feature_extractor": NONE, "image_encoder": NONE, "force_zeros_for_empty_prompt": True}
PIPELINES = {  # by family and variant, "" for any; the flow families' schedules stand in makeup.py
    ("sd", ""): Pipeline(
        "StableDiffusionPipeline",
        "StableDiffusionInpaintPipeline",
        DDIM,
        {
            "feature_extractor": NONE,
            "image_encoder": NONE,
            "safety_checker": NONE,
            "requires_safety_checker": False,
        },
    ),
    ("sdxl", "base"): Pipeline("StableDiffusionXLPipeline", "StableDiffusionXLInpaintPipeline", EULER, XL),
    ("sdxl", "refiner"): Pipeline(
        "StableDiffusionXLImg2ImgPipeline",
        "",
        EULER,
        XL
        | {
            "text_encoder": NONE,
            "tokenizer": NONE,
            "force_zeros_for_empty_prompt": False,
            "requires_aesthetics_score": True,
        },
    ),
    ("sd3", ""): Pipeline("StableDiffusion3Pipeline", index={"feature_extractor": NONE, "image_encoder": NONE}),
    ("flux", ""): Pipeline("FluxPipeline", index={"feature_extractor": NONE, "image_encoder": NONE}),
}
THIRD = {"text_encoder_3": NONE, "tokenizer_3": NONE}  # of Stable Diffusion 3, which may go without T5
CONFIGS = {  # transformers' classes of configs by those of modules
    "CLIPTextModel": "CLIPTextConfig",
    "CLIPTextModelWithProjection": "CLIPTextConfig",
    "T5EncoderModel": "T5Config",
}
TOKENIZERS = {
    "CLIPTextModel": "CLIPTokenizer",
    "CLIPTextModelWithProjection": "CLIPTokenizer",
    "T5EncoderModel": "T5TokenizerFast",
}


def pipeline_of(identity: Identity) -> Pipeline:
    """Return the pipeline of a family and variant."""
    return PIPELINES.get((identity.family, identity.variant)) or PIPELINES[(identity.family, "")]


def scheduler_of(identity: Identity, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of the scheduler, as diffusers fills it in. schedule: what the model's files say."""
    import diffusers

    said: dict[str, Any] = {**pipeline_of(identity).scheduler, **schedule}
    if identity.prediction != "flow":
        said["prediction_type"] = identity.prediction
        said |= {"timestep_spacing": "trailing"} if said.get("rescale_betas_zero_snr") else {}
    kind: Any = getattr(diffusers, said.pop("_class_name"))
    return dict(kind.from_config(said).config) | {"_class_name": kind.__name__}


def index_of(identity: Identity, classes: Mapping[str, str], scheduler: str) -> dict[str, Any]:
    """Return model_index.json. classes: of the parts that are there, by their folders; scheduler: its class."""
    import diffusers

    pipeline = pipeline_of(identity)
    named: dict[str, Any] = {"scheduler": ["diffusers", scheduler]}
    for part, kind in classes.items():
        named[part] = ["transformers" if kind in CONFIGS else "diffusers", kind]
        if kind in TOKENIZERS:
            named[tokenizer_name(part)] = ["transformers", TOKENIZERS[kind]]
    third = THIRD if identity.family == "sd3" else {}
    name = pipeline.inpainting if identity.inpaints else pipeline.name
    return {"_class_name": name, "_diffusers_version": diffusers.__version__, **third, **pipeline.index, **named}


def tokenizer_name(part: str) -> str:
    """Return the folder of the words of a text encoder."""
    return part.replace("text_encoder", "tokenizer")


def config_of(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's config with all that diffusers or transformers adds to it."""
    if kind in CONFIGS:
        import transformers

        made = getattr(transformers, CONFIGS[kind])(**{key: config[key] for key in config if key != "_class_name"})
        return {**made.to_diff_dict(), "architectures": [kind]}
    import diffusers
    import torch

    with torch.device("meta"):
        network = getattr(diffusers, kind).from_config(dict(config))
    return {**json_config(network.config), "_class_name": kind, "_diffusers_version": diffusers.__version__}


def json_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what diffusers saves of a config: nothing that it only remembers."""
    return {key: value for key, value in config.items() if not key.startswith("_")}
