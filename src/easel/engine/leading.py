"""What leads pictures beside words, from files: control models, image prompts with their readers, motion modules.

Which file a name means, asked of the library without torch, and who reads it. Knows no runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.work import Wanted
from easel.models.library.names import Library

if TYPE_CHECKING:
    from easel.models.accelerate import Machine

LOADED = ("controlnet", "ip_adapter", "clip_vision", "motion_module")  # kinds of `Wanted` that are answered here


def file_of(wanted: Wanted, library: Library) -> Path:
    """Return the file of something wanted of a kind in LOADED. Raises UnknownName, BadValue or Incomplete."""
    if wanted.kind == "clip_vision":
        from easel.models.vision import find_tower

        return find_tower(library, wanted)
    return library.find_file(wanted.kind, wanted.name)


def load(wanted: Wanted, path: Path, machine: Machine) -> Any:
    """Return what is in a file: a LoadedControl, ImagePromptAdapter, MotionModule or Tower. Raises ModelError."""
    match wanted.kind:
        case "controlnet":
            from easel.adapters.control.loading import load_control

            return load_control(path, machine, wanted.name)
        case "ip_adapter":
            from easel.adapters.pictures.loading import load_image_prompt

            return load_image_prompt(path, machine)
        case "motion_module":
            from easel.adapters.motion.loading import load_motion

            return load_motion(path, machine, wanted.name)
        case _:
            from easel.models.vision import load_tower

            return load_tower(path, machine)
