"""What a picture's file says of the request that made it, read once for `easel info` and `easel replay`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.errors import BadValue, RequestError, UnknownName

if TYPE_CHECKING:
    from easel.media.metadata import PictureFile
    from easel.prompt.infotext import Infotext
    from easel.prompt.recall import Recalled

COMFY = "prompt"  # the text in which ComfyUI keeps its graph


@dataclass(frozen=True, slots=True)
class Metadata:
    """A picture file, its infotext where it has one, and the request it records, or why that cannot be told."""

    file: PictureFile
    said: Infotext | None
    recalled: Recalled | None
    problem: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What JSON says of the request."""
        found = self.recalled
        if found is None:
            return {"source": None, "request": None, "problem": self.problem}
        return {
            "source": found.source,
            "request": {**found.fields},
            "needs": list(found.needs),
            "ignored": {**found.ignored},
        }


def read_metadata(path: Path) -> Metadata:
    """Return what a picture says of itself. Raises RequestError when it is no picture or says nothing."""
    from easel.media.metadata import read_picture_file
    from easel.prompt.comfy import recall_graph
    from easel.prompt.infotext import read
    from easel.prompt.recall import recall

    if path.is_dir():
        raise RequestError(f"{path}: a folder; name the pictures in it.")
    if not path.exists():
        raise RequestError(f"{path}: no such file.")
    try:
        file = read_picture_file(path)
    except BadValue as error:
        raise RequestError(f"{path}: {error.got}; allowed is {error.allowed}.") from None
    said = read(file.infotext) if file.infotext else None
    if said is None and COMFY not in file.texts:
        raise RequestError(f"{path}: a {file.format.upper()} of {file.width}x{file.height} without infotext.")
    try:
        recalled = recall_graph(file.texts[COMFY]) if said is None else recall(said)
    except (BadValue, UnknownName) as error:
        if said is None:
            raise RequestError(f"{path}: {error.message}") from None
        return Metadata(file, said, None, error.message)
    return Metadata(file, said, recalled)


def flat(fields: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return values within values as lines: "guidance scale" and the like."""
    lines: dict[str, str] = {}
    for name, value in fields.items():
        shown = f"{before}{name.replace('_', ' ')}"
        lines |= flat(value, f"{shown} ") if isinstance(value, Mapping) else {shown: str(value)}
    return lines
