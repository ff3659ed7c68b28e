"""What a file of CLIP's picture tower holds, from its header: its config, and where its tensors stand in the module.

Two layouts: transformers' names, and OpenCLIP's, as which ComfyUI has them too. Knows no torch, and no pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any, Literal

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised
from easel.models.files.jsonfiles import read_json
from easel.models.files.opening import listing_of
from easel.models.layouts.folders import files_of
from easel.models.layouts.names_text import OPEN_CLIP_LAYER
from easel.models.layouts.naming import Names, Place, inside, placed, table
from easel.models.layouts.shapes import Shapes, count, shape

Reads = Literal["projection", "states"]  # what is read of a tower: its one vector, or a vector for each patch

HEADS = {1280: 16, 1408: 16, 1664: 16}  # of the towers H, g and G by width; those of B and L are 64 wide
GELU = (1280, 1408, 1664)  # towers that LAION trained; OpenAI's have a quick approximation
KNOWN = {
    ("projection", 768): "CLIP-L/14",
    ("projection", 1024): "CLIP-H/14",
    ("projection", 1280): "CLIP-G/14",
    ("states", 1024): "CLIP-L/14",
    ("states", 1280): "CLIP-H/14",
    ("states", 1664): "CLIP-G/14",
}
SAID = ("num_attention_heads", "hidden_act", "layer_norm_eps")  # what shapes do not tell and a config does
TOWER, PROJECTION = "vision_model.", "visual_projection.weight"


@dataclass(frozen=True, slots=True, eq=False)
class TowerFile:
    """A picture tower that was not loaded yet. config: transformers'; places: by the file's names.

    preparation: what its publisher says of how pictures are brought to it; empty where CLIP's own way is meant.
    """

    path: Path
    files: tuple[Path, ...]
    config: Mapping[str, Any]
    places: Mapping[str, Place]
    preparation: Mapping[str, Any]

    def width(self, reads: Reads) -> int:
        """Return how wide what is read of it is."""
        return int(self.config["projection_dim" if reads == "projection" else "hidden_size"])


def read_tower(path: Path) -> TowerFile:
    """Return the tower in a file, or in the folder of one; headers are read alone. Raises ModelError naming it."""
    files = files_of(path) if path.is_dir() else (path,)
    shapes = {name: tensor.shape for file in files for name, tensor in listing_of(file).tensors.items()}
    layout = layout_of(path, shapes)
    places = {key: place for key in shapes if (place := placed(key, layout)) is not None}
    there = {place.names[0]: turned(place, shapes[key]) for key, place in places.items()}
    try:
        config = config_of(there)
    except (Incomplete, Mismatch) as error:
        raise type(error)(f"{path}: {error}; fetch it again.") from None
    folder = path if path.is_dir() else path.parent
    return TowerFile(path, files, config | said_in(folder), places, preparation_in(folder))


def layout_of(path: Path, shapes: Shapes) -> Names:
    """Return the table of the layout that a file is in. Raises Unrecognised."""
    if f"{TOWER}embeddings.class_embedding" in shapes:
        ends = ("embeddings.class_embedding", "embeddings.patch_embedding.", "embeddings.position_embedding.")
        rest = ("pre_layrnorm.", "post_layernorm.", "encoder.layers.")
        return inside(TOWER, TOWER, table({name: name for name in (*ends, *rest)})) | table({PROJECTION: PROJECTION})
    if "visual.class_embedding" in shapes:
        return open_clip_names(count(shapes, "visual.transformer.resblocks."))
    raise Unrecognised(f"{path}: no picture reader; one is CLIP's picture tower (vision_model.* or visual.*).")


def open_clip_names(layers: int) -> Names:
    """Return the names of a picture tower as OpenCLIP has it."""
    names = table(
        {
            "class_embedding": "embeddings.class_embedding",
            "positional_embedding": "embeddings.position_embedding.weight",
            "conv1.": "embeddings.patch_embedding.",
            "ln_pre.": "pre_layrnorm.",
            "ln_post.": "post_layernorm.",
        }
    )
    for layer in range(layers):
        names |= inside(f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}.", OPEN_CLIP_LAYER)
    return inside("visual.", TOWER, names) | {"visual.proj": Place((PROJECTION,), "turned")}


def turned(place: Place, found: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a file's tensor as the module has it."""
    return found[::-1] if place.how == "turned" else found


def config_of(shapes: Shapes) -> dict[str, Any]:
    """Return transformers' config of a tower by the shapes of its tensors. Raises Incomplete, Mismatch."""
    inner, width = shape(shapes, f"{TOWER}encoder.layers.0.mlp.fc1.weight", 2)
    patch = shape(shapes, f"{TOWER}embeddings.patch_embedding.weight", 4)[-1]
    places = shape(shapes, f"{TOWER}embeddings.position_embedding.weight", 2)[0]
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "projection_dim": shape(shapes, PROJECTION, 2)[0],
        "num_hidden_layers": count(shapes, f"{TOWER}encoder.layers."),
        "num_attention_heads": HEADS.get(width, max(width // 64, 1)),
        "image_size": isqrt(places - 1) * patch,
        "patch_size": patch,
        "hidden_act": "gelu" if width in GELU else "quick_gelu",
    }


def said_in(folder: Path) -> dict[str, Any]:
    """Return what the config beside a tower says that its shapes do not tell; of a whole CLIP, of its picture half."""
    if not (folder / "config.json").is_file():
        return {}
    config = read_json(folder / "config.json")
    half = config.get("vision_config", config)
    return {name: half[name] for name in SAID if isinstance(half, dict) and name in half}


def preparation_in(folder: Path) -> dict[str, Any]:
    """Return what stands beside a tower, or in the model around it, of how pictures are brought to it."""
    name = "preprocessor_config.json"
    for file in (folder / name, folder.parent / "feature_extractor" / name):
        if file.is_file():
            return read_json(file)
    return {}


def fitting(places: Mapping[str, Path], reads: Reads, width: int) -> Path | None:
    """Return the first of some towers of which so much can be read; those that cannot be read are passed over."""
    for path in places.values():
        try:
            if read_tower(path).width(reads) == width:
                return path
        except ModelError:
            continue
    return None
