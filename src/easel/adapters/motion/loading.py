"""From the file of a motion module to the adapter. Knows files; does not know which model it will move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from easel.adapters.control.loading import built_of, folder_of
from easel.adapters.motion.coupling import MotionModule
from easel.core.errors import Mismatch
from easel.models.accelerate import Machine
from easel.models.files.jsonfiles import read_json
from easel.models.files.opening import listing_of
from easel.models.files.weights import read_tensors
from easel.models.layouts.folders import files_of
from easel.models.layouts.motion import TWICE, module_name, motion_config


def load_motion(path: Path, machine: Machine, name: str = "") -> MotionModule:
    """Return the motion module of a file, or of diffusers' folder of one. Raises ModelError naming the file."""
    folder = folder_of(path)
    file = path if folder is None else files_of(folder)[0]
    said = read_json(folder / "config.json") if folder is not None else {}
    config = motion_config(listing_of(file), said)
    tensors: dict[str, Any] = {}
    for key, tensor in read_tensors((file,)).items():
        if TWICE in key:
            continue
        place = module_name(key)
        if place is None:
            raise Mismatch(f"{file}: {key!r} has no place in a motion module.")
        tensors[place] = tensor

    from diffusers import MotionAdapter

    net = built_of(MotionAdapter, config, tensors, machine, file)
    return MotionModule(name or path.stem, net, int(config["motion_max_seq_length"]), machine)
