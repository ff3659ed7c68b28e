"""What is this file? Reads names and headers only: never a tensor, never a pickle, never torch.

Diffusers folders are known by their model_index.json; single-file checkpoints enter here when they are supported.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easel.core.errors import Incomplete, Unrecognised, Unsafe

LONGEST_HEADER = 100_000_000  # bytes, the format's own limit


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model's files say about it.

    family: key into families. variant: "1.x" or "2.x". prediction: diffusers' prediction_type. size: bytes on disk.
    """

    name: str
    path: Path
    family: str
    variant: str
    prediction: str
    size: int


def is_model(path: Path) -> bool:
    """Return whether `path` looks like a model that identify() would read."""
    return (path / "model_index.json").is_file()


def identify(path: Path, name: str | None = None) -> Identity:
    """Return the identity of the model at `path`; raises Unrecognised or Incomplete naming the file."""
    if path.is_file():
        raise Unrecognised(
            f"{path}: single-file checkpoints are not read yet; allowed is a diffusers folder with model_index.json."
        )
    if not is_model(path):
        raise Unrecognised(f"{path}: no model_index.json here; allowed is a diffusers folder.")
    index = read_json(path / "model_index.json")
    unet = read_json(path / "unet" / "config.json")
    scheduler = read_json(path / "scheduler" / "scheduler_config.json")
    if unet.get("_class_name") != "UNet2DConditionModel" or unet.get("addition_embed_type") is not None:
        kind = index.get("_class_name", "unknown")
        raise Unrecognised(
            f"{path}: pipeline {kind!r} is not supported yet; supported are Stable Diffusion 1.x and 2.x."
        )
    if unet.get("in_channels") not in (4, 9):
        raise Unrecognised(
            f"{path}: a U-Net of {unet.get('in_channels')} input channels is not supported yet; supported are 4 and, "
            "for inpainting, 9."
        )
    for part in ("unet", "vae", "text_encoder"):
        for file in files_of(path / part):
            check_whole(file)
    return Identity(
        name=name or path.name,
        path=path,
        family="sd",
        variant="2.x" if unet.get("use_linear_projection") else "1.x",
        prediction=str(scheduler.get("prediction_type", "epsilon")),
        size=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
    )


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files of a component's folder, shards in the order of its index.

    Raises Incomplete where files are missing, Unsafe where only pickles are there.
    """
    for stem in ("diffusion_pytorch_model", "model"):
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            names = sorted(set(read_json(index).get("weight_map", {}).values()))
            missing = [name for name in names if not (folder / name).is_file()]
            if missing or not names:
                raise Incomplete(f"{folder}: shard {missing[0] if missing else '?'} is missing; fetch it again.")
            return tuple(folder / name for name in names)
        for single in (folder / f"{stem}.safetensors", folder / f"{stem}.fp16.safetensors"):
            if single.is_file():
                return (single,)
    pickles = sorted((*folder.glob("*.bin"), *folder.glob("*.ckpt"), *folder.glob("*.pt")))
    if pickles:
        raise Unsafe(f"{pickles[0]}: a pickle can run code; fetch the model's safetensors files instead.")
    raise Incomplete(f"{folder}: no safetensors weights here; fetch the whole folder again.")


def check_whole(file: Path) -> None:
    """Raise Incomplete unless a safetensors file is exactly as long as its header says."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(opened.read(length))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        said, size = 8 + length + max(ends, default=0), file.stat().st_size
        if said != size:
            raise ValueError(f"{size} bytes, its header speaks of {said}")
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise Incomplete(f"{file}: truncated or damaged ({error}); fetch it again.") from None


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; raises Incomplete where it is missing, cut short or not an object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Incomplete(f"{path}: missing; fetch the whole folder again.") from None
    except (OSError, ValueError) as error:
        raise Incomplete(f"{path}: cannot be read as JSON ({error}); fetch the file again.") from None
    if not isinstance(found, dict):
        raise Incomplete(f"{path}: holds no JSON object; fetch the file again.")
    return found
