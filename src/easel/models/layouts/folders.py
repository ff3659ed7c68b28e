"""Diffusers folders: which parts there are, of which class, and which files hold their weights.

Reads JSON and names of files only. Knows no families.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete
from easel.models.files.jsonfiles import read_json

PARTS = ("text_encoder", "text_encoder_2", "text_encoder_3", "unet", "transformer", "vae")  # as diffusers calls them
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")  # of a component's weights in a folder
ALONE = {  # which part a folder without others is, by the class that its config names
    "UNet2DConditionModel": "unet",
    "SD3Transformer2DModel": "transformer",
    "FluxTransformer2DModel": "transformer",
    "AutoencoderKL": "vae",
    "AutoencoderTiny": "vae",
    "CLIPTextModel": "text_encoder",
    "CLIPTextModelWithProjection": "text_encoder",
    "T5EncoderModel": "text_encoder",
    "T5ForConditionalGeneration": "text_encoder",
}


def class_of(config: dict[str, Any]) -> str:
    """Return the class that a config is of: diffusers' or transformers', "" where it does not say."""
    architectures = config.get("architectures") or [""]
    return str(config.get("_class_name") or (architectures[0] if isinstance(architectures, list) else ""))


def alone(folder: Path) -> str:
    """Return the class of a part that stands in a folder of its own, "" where the folder is none."""
    if (folder / "model_index.json").is_file() or not (folder / "config.json").is_file():
        return ""
    kind = class_of(read_json(folder / "config.json"))
    return kind if kind in ALONE else ""


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the weights files of a component's folder, shards in the order of its index; safetensors before pickles.

    Raises Incomplete where files are missing.
    """
    for ending in ("safetensors", "bin"):
        for stem in STEMS:
            for index in (folder / f"{stem}.{ending}.index.json", folder / f"{stem}.{ending}.index.fp16.json"):
                if index.is_file():
                    return shards_of(folder, index)
            for single in (folder / f"{stem}.{ending}", folder / f"{stem}.fp16.{ending}"):
                if single.is_file():
                    return (single,)
    raise Incomplete(f"{folder}: no weights here (model.safetensors or .bin); fetch the whole folder again.")


def shards_of(folder: Path, index: Path) -> tuple[Path, ...]:
    """Return the files that an index names, each in the folder itself. Raises Incomplete."""
    named = read_json(index).get("weight_map", {})
    names = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        raise Incomplete(f"{folder}: shard {missing[0] if missing else '?'} is missing; fetch it again.")
    return tuple(folder / name for name in names)
