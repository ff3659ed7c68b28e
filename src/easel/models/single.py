"""What is in a single file of Stable Diffusion 1.x or 2.x: its parts, their configs, and what is missing or unused.

Works on names and shapes alone: no torch, and of tensors at most one of a few hundred numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised
from easel.models import ldm, ldm_shapes
from easel.models.ldm_shapes import Shapes
from easel.models.listing import Listing
from easel.models.numbers import spread
from easel.models.opening import listing_of
from easel.models.sidecar import read_sidecar

NAMES = {"unet": "U-Net", "vae": "autoencoder (VAE)", "text_encoder": "text encoder"}
FORMATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
FORMATS |= {"F8_E4M3": "float8 e4m3", "F8_E5M2": "float8 e5m2"}

# By how a name in the file begins: what else it can be. The first that fits is told.
OTHERS = {
    "conditioner.embedders.": "Stable Diffusion XL",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    "model.diffusion_model.double_blocks.": "Flux",
    "double_blocks.": "Flux",
    "noise_augmentor.": "Stable Diffusion 2 unCLIP",
    "model.diffusion_model.label_emb.": "a Stable Diffusion that reads more than words",
    "control_model.": "a ControlNet",
    "controlnet_cond_embedding.": "a ControlNet",
    "lora_": "a LoRA",
    "emb_params": "a textual inversion",
    "string_to_param": "a textual inversion",
    "model.diffusion_model.time_stack": "a video model",
    "encoder.down.": "an autoencoder (VAE) alone",
    "decoder.up.": "an autoencoder (VAE) alone",
    "text_model.": "a text encoder alone",
    "params_ema": "an upscaler",
    "body.": "an upscaler",
}
CHANNELS = {5: "reads depth", 7: "is an upscaler", 8: "is InstructPix2Pix"}
SPECIFIED = {"epsilon": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
V_SPREAD = 0.09  # of one bias of Stable Diffusion 2: above it v is predicted, as ComfyUI tells


@dataclass(frozen=True, slots=True)
class Layout:
    """How one part stands in a file: where, and by which tables its config and its names are found."""

    part: str
    prefix: str
    config: Callable[[Shapes, int], dict[str, Any]]
    names: Callable[[Mapping[str, Any]], dict[str, str]]


LAYOUTS = (
    Layout("unet", ldm.UNET, ldm_shapes.unet_config, ldm.unet_names),
    Layout("vae", ldm.VAE, lambda shapes, _: ldm_shapes.vae_config(shapes), ldm.vae_names),
    Layout("text_encoder", ldm.CLIP, lambda shapes, _: ldm_shapes.clip_config(shapes), ldm.clip_names),
    Layout("text_encoder", ldm.OPEN_CLIP, lambda shapes, _: ldm_shapes.open_clip_config(shapes), ldm.open_clip_names),
)


@dataclass(frozen=True)
class Part:
    """One part of a file: its config and, for each name in the file, the module's."""

    layout: Layout
    config: Mapping[str, Any]
    names: Mapping[str, str]


class Contents:
    """A single file taken apart. Raises Unrecognised where it is none of Stable Diffusion 1.x and 2.x."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.path = listing.path
        self.sidecar = read_sidecar(listing.path)
        unet = ldm.UNET + "input_blocks.0.0.weight"
        other = next((what for start, what in OTHERS.items() if self.has(start)), None)
        if unet not in listing.tensors or other:
            raise Unrecognised(
                f"{self.path}: {f'this is {other}' if other else 'no model that is known'}; supported as a single file "
                "are Stable Diffusion 1.x and 2.x checkpoints."
            )
        self.channels = (*listing.tensors[unet].shape, 0, 0)[1]
        if self.channels not in (4, 9):
            what = f" and {CHANNELS[self.channels]}" if self.channels in CHANNELS else ""
            raise Unrecognised(
                f"{self.path}: the U-Net has {self.channels} input channels{what}; supported are 4 and, for "
                "inpainting, 9."
            )

    def has(self, prefix: str) -> bool:
        """Return whether a name in the file begins so."""
        return any(key.startswith(prefix) for key in self.listing.tensors)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The parts that are there. Raises Incomplete or Mismatch naming file and tensor."""
        found: dict[str, Part] = {}
        for layout in LAYOUTS:
            shapes = self.shapes(layout.prefix)
            if not shapes or layout.part in found:
                continue
            try:
                config = layout.config(shapes, self.side)
            except ModelError as error:
                wrong = Incomplete if isinstance(error, Incomplete) else Mismatch
                raise wrong(f"{self.path}: in {layout.prefix}* {error}.") from None
            names = layout.names(config)
            places = {layout.prefix + key: new for key in shapes if (new := ldm.renamed(key, names))}
            found[layout.part] = Part(layout, config, places)
        return found

    def part(self, part: str) -> Part:
        """Return a part; raises Incomplete where the file goes without it."""
        if part not in self.parts:
            starts = " or ".join(f"{layout.prefix}*" for layout in LAYOUTS if layout.part == part)
            raise Incomplete(f"{self.path}: has no {NAMES[part]} ({starts}); needed is a whole checkpoint.")
        return self.parts[part]

    def shapes(self, prefix: str) -> dict[str, tuple[int, ...]]:
        """Return the shapes under a prefix, by the names behind it, without what is known to be of no use."""
        return {
            key[len(prefix) :]: tensor.shape
            for key, tensor in self.listing.tensors.items()
            if key.startswith(prefix) and not ldm.why_unused(key)
        }

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts that the file goes without, in words."""
        return tuple(words for part, words in NAMES.items() if part not in self.parts)

    @cached_property
    def unused(self) -> dict[str, list[str]]:
        """The names that no part reads, by what they are; "" is what is not known."""
        placed = {key for part in self.parts.values() for key in part.names}
        found: dict[str, list[str]] = {}
        for key in self.listing.tensors:
            if key not in placed:
                found.setdefault(ldm.why_unused(key) or ldm.why_left_over(key) or "", []).append(key)
        return found

    @cached_property
    def variant(self) -> str:
        """ "1.x" or "2.x"."""
        return "2.x" if ldm_shapes.is_second(self.shapes(ldm.UNET)) else "1.x"

    @cached_property
    def prediction(self) -> tuple[str, str]:
        """What the U-Net predicts, in diffusers' word, and how that is known."""
        said = self.listing.metadata.get("modelspec.prediction_type", "")
        if self.sidecar.prediction:
            return self.sidecar.prediction, f"told by {self.sidecar.told_by}"
        if said in SPECIFIED:
            return SPECIFIED[said], "told by the file's metadata"
        if "v_pred" in self.listing.tensors:
            return "v_prediction", "marked in the file"
        if self.variant == "1.x":
            return "epsilon", "usual for 1.x"
        if self.channels == 9:
            return "epsilon", "usual for inpainting"
        wide = spread(self.path, self.listing.tensors.get(self.telling))
        if wide is None:
            return "epsilon", "not told; a .yaml beside the file would"
        return ("v_prediction" if wide > V_SPREAD else "epsilon"), f"by the spread of one bias, {wide:.3f}"

    @property
    def telling(self) -> str:
        """The name of the bias whose spread tells what a Stable Diffusion 2 predicts: the last attention's first."""
        last = ldm_shapes.count(self.shapes(ldm.UNET), "output_blocks.") - 1
        return f"{ldm.UNET}output_blocks.{last}.1.transformer_blocks.0.norm1.bias"

    @property
    def side(self) -> int:
        """The side of the latents of the training: 96 for the 2.x that predict v, which saw 768 pixels; else 64."""
        return 96 if self.variant == "2.x" and self.prediction[0] == "v_prediction" else 64

    @property
    def schedule(self) -> dict[str, Any]:
        """The noise schedule, in diffusers' words."""
        return {"rescale_betas_zero_snr": "ztsnr" in self.listing.tensors}

    @property
    def dtype(self) -> str:
        """The number formats of the parts, the commonest first, such as "float16" or "float16, float32"."""
        sizes: dict[str, int] = {}
        for part in self.parts.values():
            for key in part.names:
                tensor = self.listing.tensors[key]
                sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.size
        return ", ".join(FORMATS.get(word, word) for word in sorted(sizes, key=lambda word: -sizes[word]))


def contents_of(file: Path) -> Contents:
    """Return what is in a single file, read from its header. Raises ModelError naming it."""
    return Contents(listing_of(file))
