"""The kinds of files that stand in model folders, and what the folders of each kind are called. A table; reads nothing.

Which kind a file is says the folder first, and its header, once that was read, for good.
"""

from __future__ import annotations

from dataclasses import dataclass

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file. folders: their names in small letters. endings: the preferred first."""

    words: str
    folders: tuple[str, ...]
    endings: tuple[str, ...]


TENSORS = (".safetensors", ".sft")
PICTURES = (".png", ".webp")  # in which embeddings are kept too
KINDS: dict[str, Kind] = {
    CHECKPOINT: Kind(
        "model", ("stable-diffusion", "stablediffusion", "checkpoints", "diffusers"), (*TENSORS, ".ckpt", ".gguf")
    ),
    "denoiser": Kind(
        "U-Net or transformer",
        ("unet", "diffusion_models", "diffusionmodels"),
        (*TENSORS, ".gguf", ".ckpt", ".pt", ".pth", ".bin"),
    ),
    "vae": Kind(
        "VAE", ("vae", "vae_approx", "vae-approx", "approxvae"), (*TENSORS, ".gguf", ".ckpt", ".pt", ".pth", ".bin")
    ),
    "text_encoder": Kind(
        "text encoder",
        ("text_encoders", "text_encoder", "textencoders", "clip", "t5_encoder", "clip_embed"),
        (*TENSORS, ".gguf", ".pt", ".pth", ".bin"),
    ),
    "lora": Kind("LoRA", ("loras", "lora", "lycoris", "locon"), (*TENSORS, ".pt", ".ckpt", ".bin")),
    "embedding": Kind("embedding", ("embeddings", "embedding"), (*TENSORS, ".pt", ".bin", *PICTURES)),
    "upscaler": Kind(
        "upscaler",
        ("upscalers", "upscale_models", "esrgan", "realesrgan", "swinir", "dat", "scunet", "spandrel_image_to_image"),
        (*TENSORS, ".pth", ".pt", ".bin"),
    ),
    "controlnet": Kind("ControlNet", ("controlnet",), (*TENSORS, ".pth", ".pt", ".bin")),
    "t2i_adapter": Kind("T2I-Adapter", ("t2i_adapter",), (*TENSORS, ".pth", ".bin")),
    "ip_adapter": Kind("IP-Adapter", ("ip_adapter", "ip-adapter", "ipadapter"), (*TENSORS, ".pth", ".bin")),
    "motion_module": Kind(
        "motion module", ("animatediff_models", "animatediff", "motion"), (*TENSORS, ".ckpt", ".pth", ".bin")
    ),
    "clip_vision": Kind("picture reader", ("clip_vision",), (*TENSORS, ".pth", ".bin")),
    "preprocessor": Kind(
        "preprocessor's network",
        ("preprocessors", "controlnet_preprocessors", "controlnetpreprocessor", "annotators"),
        (*TENSORS, ".onnx", ".pth", ".pt", ".bin"),
    ),
    "background": Kind("background remover", ("background", "rembg", "u2net"), (".onnx",)),
    "face_restorer": Kind(
        "face restorer",
        ("face_restorers", "gfpgan", "codeformer", "restoreformer", "facerestore_models"),
        (*TENSORS, ".pth", ".pt", ".bin"),
    ),
    "detector": Kind(
        "detector", ("detectors", "detector", "adetailer", "ultralytics", "yolo"), (".onnx", *TENSORS, ".pt")
    ),
}
KIND_OF_FOLDER = {folder: kind for kind, row in KINDS.items() for folder in row.folders}

# InvokeAI's folders of base models, each with folders by kind; "main" holds its checkpoints.
BASES = frozenset(("sd-1", "sd-2", "sd-3", "sdxl", "sdxl-refiner", "flux", "any"))
KIND_BELOW_BASE = {**KIND_OF_FOLDER, "main": CHECKPOINT}

# Folders, in small letters, that hold what Easel has no use for, or programs.
OTHERS = """
    blip configs deepbooru gligen hypernetworks karlo ldsr photomaker
    style_models tokenizer torch_deepdanbooru node_modules python_embeded site-packages venv
"""
SKIPPED = frozenset(OTHERS.split())
