"""For which family of models a network's file is made, and what its maker tells of it.

By what its metadata say, else by the widths of its layers. Knows names and shapes, as a header tells them; no torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from easel.adapters.networks.names import flat

# Of what words in the metadata speak; the first that stands there counts.
ARCHITECTURES = {
    "stable-diffusion-xl-v1-refiner": "SDXL refiner",
    "stable-diffusion-xl": "SDXL",
    "stable-diffusion-v3.5": "Stable Diffusion 3.5",
    "stable-diffusion-3": "Stable Diffusion 3",
    "stable-diffusion-v2": "Stable Diffusion 2",
    "stable-diffusion-v1": "Stable Diffusion 1",
    "flux-2": "Flux.2",
    "flux": "Flux",
    "sdxl": "SDXL",
    "sd3": "Stable Diffusion 3",
    "sd_v2": "Stable Diffusion 2",
    "sd_v1": "Stable Diffusion 1",
}
SAID = ("modelspec.architecture", "ss_base_model_version")

# The width of the text that cross-attention reads.
CONTEXT = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "SDXL", 1280: "SDXL refiner"}
# Parts of a name that one architecture alone has, and the width of its blocks.
TRANSFORMERS = ("double_blocks", "single_blocks", "single_transformer_blocks")
JOINT = {1536: "Stable Diffusion 3 medium", 2432: "Stable Diffusion 3.5 large"}
FLUX_WIDTH = 3072

Shapes = Mapping[str, tuple[int, ...]]


def made_for(shapes: Shapes, metadata: Mapping[str, str]) -> str:
    """Return the family for which a network is made, in words, empty where nothing tells. shapes: of its tensors."""
    said = " ".join(metadata.get(name, "") for name in SAID).lower()
    for word, family in ARCHITECTURES.items():
        if word in said:
            return family
    names = {flat(key): shape for key, shape in shapes.items()}
    for name, shape in names.items():
        if ("attn2_to_k" in name or "attn2_to_v" in name) and "transformer_blocks_" in name:
            inputs = widest_in(name, shape)
            if inputs in CONTEXT and "joint" not in name:
                return CONTEXT[inputs]
    widths = {size for shape in shapes.values() for size in shape}
    if any(word in name for name in names for word in TRANSFORMERS):
        return "Flux" if FLUX_WIDTH in widths else "a Flux-like transformer"
    if any("joint_blocks" in name or "add_q_proj" in name for name in names):
        return next((family for width, family in JOINT.items() if width in widths), "Stable Diffusion 3")
    return ""


def widest_in(name: str, shape: tuple[int, ...]) -> int:
    """Return how many inputs a tensor of a network has where its name says that it reads them, else 0."""
    reads = ("lora_down", "lora_A", "_down_weight", "w1_b", "w2_b", "_diff")
    return shape[1] if len(shape) > 1 and any(word in name for word in reads) else 0
