"""How other programs lay out their folders: A1111, Forge, ComfyUI, InvokeAI, Stability Matrix.

Lists folders and reads ComfyUI's own list of more of them; looks at no model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from easel.models.library.kinds import BASES, CHECKPOINT, KIND_BELOW_BASE, KIND_OF_FOLDER

# What this program's folder has and the others' have not; the first that fits is told.
MARKS = {
    "ComfyUI": ("comfy", "custom_nodes", "extra_model_paths.yaml", "models/checkpoints"),
    "InvokeAI": ("invokeai.yaml", "databases/invokeai.db", "models/sd-1", "models/sdxl"),
    "Forge": ("modules_forge",),
    "Stability Matrix": ("Models/StableDiffusion",),
    "A1111": ("models/Stable-diffusion",),
}
INVOKE = ("invokeai.yaml", "databases/invokeai.db")  # of its root; the models folder beside them has a folder a model
MORE_PATHS = "extra_model_paths.yaml"  # ComfyUI's
LARGEST_LIST = 2**20  # bytes


def program_of(root: Path) -> str:
    """Return which program's folder, or models folder, this is; nothing where no program is known by it."""
    homes = (root, root.parent) if root.name.casefold() == "models" else (root,)
    return next(
        (name for name, marks in MARKS.items() for home in homes if any((home / m).exists() for m in marks)), ""
    )


def folders_of(root: str) -> list[tuple[str, str]]:
    """Return the folders of a program and the kind of what each holds; all of `root` where it is no program's.

    One that has no folder of checkpoints is taken to be people's own.
    """
    tops = [root, *(os.path.join(root, name) for name in subfolders(root) if name.casefold() == "models")]
    found = [known for top in tops for known in known_in(top)]
    listed = more_paths(os.path.join(root, MORE_PATHS))
    if any(os.path.exists(os.path.join(root, mark)) for mark in INVOKE):
        found += [(CHECKPOINT, top) for top in tops[1:]]
    if any(kind == CHECKPOINT for kind, _ in found):
        return found + listed
    return [(CHECKPOINT, root), *listed]


def known_in(top: str) -> Iterator[tuple[str, str]]:
    """Yield the folders in `top` whose names say what they hold, with its kind."""
    for name in subfolders(top):
        path = os.path.join(top, name)
        if (kind := KIND_OF_FOLDER.get(name.casefold())) is not None:
            yield kind, path
        elif name.casefold() in BASES:
            for below in subfolders(path):
                if (kind := KIND_BELOW_BASE.get(below.casefold())) is not None:
                    yield kind, os.path.join(path, below)


def subfolders(folder: str) -> list[str]:
    """Return the names of the folders in one, none where it cannot be read."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []


def more_paths(file: str) -> list[tuple[str, str]]:
    """Return the folders that ComfyUI's extra_model_paths.yaml names, none where it is not there or cannot be read."""
    try:
        if os.path.getsize(file) > LARGEST_LIST:
            return []
    except OSError:
        return []
    import yaml

    try:
        found: Any = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return []
    sections = [section for section in found.values() if isinstance(section, dict)] if isinstance(found, dict) else []
    return [known for section in sections for known in folders_in(section, os.path.dirname(file))]


def folders_in(section: dict[Any, Any], home: str) -> Iterator[tuple[str, str]]:
    """Yield the folders of one section of extra_model_paths.yaml: a folder a line, below base_path if it has one."""
    base = section.get("base_path")
    base = os.path.expandvars(os.path.expanduser(base)) if isinstance(base, str) else ""
    for key, lines in section.items():
        kind = KIND_OF_FOLDER.get(str(key).casefold())
        for line in lines.splitlines() if isinstance(lines, str) else ():
            if kind and line.strip():
                yield kind, os.path.normpath(os.path.join(home, base, os.path.expanduser(line.strip())))
