"""Which control model is this? Known by names and shapes in its header, or by the config of its folder; never torch.

A layout is a row of a table: what it is called, the names that tell it, and the functions from shapes to a config and
from a config to names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from easel.core.errors import Unrecognised
from easel.models.files.listing import Listing
from easel.models.layouts import names_control, shapes_control
from easel.models.layouts.naming import Names
from easel.models.layouts.shapes import Shapes

Build = Literal["controlnet", "union", "borrowed", "sd3", "flux", "features", "lite"]

BUILDS: dict[str, Build] = {  # by diffusers' classes and, where it has none, ours
    "ControlNetModel": "controlnet",
    "ControlNetUnionModel": "union",
    "SD3ControlNetModel": "sd3",
    "FluxControlNetModel": "flux",
    "T2IAdapter": "features",
    "ControlNetLLLite": "lite",
}
READS = {768: ("sd", "1.x"), 1024: ("sd", "2.x"), 2048: ("sdxl", "base")}  # by the width of the words that it reads


@dataclass(frozen=True, slots=True)
class ControlLayout:
    """One way in which a control model is published.

    kind: diffusers' class. marks: names that are all there, behind the beginning `prefix`. borrows: whether what is
    there changes a U-Net's weights, which are needed beside it.
    """

    kind: str
    marks: tuple[str, ...]
    config: Callable[[Shapes], dict[str, Any]]
    names: Callable[[Mapping[str, Any]], Names]
    prefix: str = ""
    borrows: bool = False

    @property
    def build(self) -> Build:
        """What it is by the way in which it works."""
        return "borrowed" if self.borrows else BUILDS[self.kind]


LDM, DIFFUSERS = ("input_hint_block.0.weight", "zero_convs.0.0.weight"), ("controlnet_cond_embedding.conv_in.weight",)
NET, ADAPTER = "ControlNetModel", "T2IAdapter"
S, N = shapes_control, names_control
LAYOUTS = (
    ControlLayout(NET, ("lora_controlnet",), S.ldm_hint, N.ldm_names, borrows=True),
    ControlLayout(NET, ("input_blocks.1.0.in_layers.2.down",), S.ldm_hint, N.ldm_names, borrows=True),
    ControlLayout(NET, ("difference",), S.ldm_hint, N.ldm_names, "control_model.", borrows=True),
    ControlLayout("ControlNetUnionModel", (*DIFFUSERS, "task_embedding"), S.union_config, N.as_they_are),
    ControlLayout(NET, DIFFUSERS, S.diffusers_config, N.as_they_are),
    ControlLayout(NET, LDM, S.ldm_config, N.ldm_names, "control_model."),
    ControlLayout(NET, LDM, S.ldm_config, N.ldm_names),
    ControlLayout("SD3ControlNetModel", ("pos_embed_input.proj.weight",), S.sd3_config, N.as_they_are),
    ControlLayout(
        "FluxControlNetModel",
        ("pos_embed_input.weight", "double_blocks.0.img_attn.qkv.weight"),
        S.xlabs_config,
        N.xlabs_names,
    ),
    ControlLayout("FluxControlNetModel", ("controlnet_x_embedder.weight",), S.flux_config, N.as_they_are),
    ControlLayout(ADAPTER, ("adapter.body.0.resnets.0.block1.weight",), S.adapter_config, N.as_they_are),
    ControlLayout(ADAPTER, ("body.0.block1.weight",), S.plain_adapter_config, N.plain_adapter_names),
    ControlLayout(ADAPTER, ("body.0.body.0.block1.weight",), S.plain_adapter_config, N.plain_adapter_names),
)
# What is recognised and not read, by how a name in it begins.
OTHERS = {
    "control_to_base_for_conv_in": "ControlNet-XS",
    "control_model.control_to_base": "ControlNet-XS",
    "ctrl_to_base_for_conv_in": "ControlNet-XS",
    "down_blocks.0.ctrl_to_base": "ControlNet-XS",
    "motion_modules.": "an AnimateDiff SparseCtrl",
}
READ = "read are ControlNet, its union, control-LoRA, ControlNet-LLLite and T2I-Adapter"
LITE = ControlLayout("ControlNetLLLite", (), dict, N.as_they_are)  # kohya's, whose names are those of layers
LITE_NAME = "lllite_"


def layout_of(listing: Listing) -> ControlLayout:
    """Return the layout of a control model's file. Raises Unrecognised naming it."""
    names = listing.tensors
    for start, words in OTHERS.items():
        if any(name.startswith(start) for name in names):
            raise Unrecognised(f"{listing.path}: this is {words}, which is not read; {READ}.")
    if any(name.startswith(LITE_NAME) for name in names):
        return LITE
    for layout in LAYOUTS:
        behind = layout.prefix if "difference" not in layout.marks else ""
        if all(behind + mark in names for mark in layout.marks):
            return layout
    raise Unrecognised(f"{listing.path}: no control model that is known; {READ}.")


def shapes_behind(listing: Listing, prefix: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors by the names behind a beginning."""
    return {name[len(prefix) :]: one.shape for name, one in listing.tensors.items() if name.startswith(prefix)}


def control_for(listing: Listing) -> tuple[str, str]:
    """Return the family and variant for which a control model was made, "" where nothing tells."""
    try:
        layout = layout_of(listing)
    except Unrecognised:
        return "", ""
    if layout.kind in ("SD3ControlNetModel", "FluxControlNetModel"):
        return ("sd3", "") if layout.kind.startswith("SD3") else ("flux", "")
    shapes = shapes_behind(listing, layout.prefix)
    if layout is LITE:  # XL's first level attends to nothing
        return ("sd", "1.x") if any("_input_blocks_1_1_" in name for name in shapes) else ("sdxl", "base")
    if layout.kind == ADAPTER:
        first = next((shapes[key] for key in ("adapter.conv_in.weight", "conv_in.weight") if key in shapes), ())
        return ("sdxl", "base") if first and first[1] // 64 in (4, 12) else ("sd", "1.x")
    read = next((one[1] for key, one in shapes.items() if reads_words(key) and len(one) == 2), 0)
    told = any(key.startswith(("add_embedding.", "label_emb.")) for key in shapes)
    other = ("sdxl", "base") if told else ("sd", "") if read else ("", "")
    return READS.get(read, other)


def reads_words(name: str) -> bool:
    """Return whether a tensor is the weight, or the reading half of one, by which attention reads words."""
    return name.endswith(("attn2.to_k.weight", "attn2.to_k.down"))
