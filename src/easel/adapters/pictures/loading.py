"""From the file of an image prompt to the adapter. Knows files; does not know which model it will lead."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from easel.adapters.pictures.adapter import ImagePromptAdapter
from easel.adapters.pictures.projections import load_projection
from easel.adapters.pictures.reading import read_image_prompt
from easel.models.accelerate import Machine
from easel.models.files.packed import Packed
from easel.models.files.weights import read_tensors


def load_image_prompt(path: Path, machine: Machine) -> ImagePromptAdapter:
    """Return the adapter of a file, or of a folder with one; its attentions' layers stay mapped. Raises ModelError."""
    file = read_image_prompt(path)
    tensors = read_tensors((file.path,), {*file.keys, *file.values, *file.lora.values()})

    def plain(name: str) -> Tensor:
        found = tensors[name]
        return found.unpacked(torch.float32) if isinstance(found, Packed) else found

    return ImagePromptAdapter(
        file,
        load_projection(file, machine),
        tuple(map(plain, file.keys)),
        tuple(map(plain, file.values)),
        {place: plain(name) for place, name in file.lora.items()},
        machine,
    )
