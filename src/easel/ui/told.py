"""What a picture's file says of its making: the words, the settings, the request that it records.

Reads bytes and text. Knows no widgets, and asks nobody to draw.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from easel.core.errors import BadValue, UnknownName

if TYPE_CHECKING:
    from easel.media.metadata import PictureFile
    from easel.prompt.infotext import Infotext
    from easel.prompt.recall import Recalled

COMFY = "prompt"  # the text in which ComfyUI keeps its graph


@dataclass(frozen=True, slots=True)
class Told:
    """A picture's file, its infotext where it has one, and the request it records, None where that cannot be told.

    problem: why not, "" where the file says nothing at all.
    """

    file: PictureFile
    said: Infotext | None = None
    recalled: Recalled | None = None
    problem: str = ""

    @property
    def prompt(self) -> str:
        """The words, "" where none are told."""
        return self.said.prompt if self.said else self._field("prompt")

    @property
    def negative(self) -> str:
        """The words to keep away from, "" where none are told."""
        return self.said.negative if self.said else self._field("negative_prompt")

    @property
    def settings(self) -> dict[str, str]:
        """Every setting in the file's own words, in its order."""
        if self.said is not None:
            return dict(self.said.fields)
        fields = dict(self.recalled.fields) if self.recalled else {}
        return flat({name: value for name, value in fields.items() if name not in ("prompt", "negative_prompt")})

    @property
    def source(self) -> str:
        """What wrote it: "easel", "a1111" (and all that write alike), "comfyui"; "" where nothing is told."""
        return self.recalled.source if self.recalled else ""

    def _field(self, name: str) -> str:
        return str(self.recalled.fields.get(name, "")) if self.recalled else ""


def told(data: bytes) -> Told:
    """Return what the file of a picture says. Raises BadValue for what is no whole PNG, JPEG or WebP."""
    from easel.media.metadata import read_picture_file
    from easel.prompt.comfy import recall_graph
    from easel.prompt.infotext import read
    from easel.prompt.recall import recall

    file = read_picture_file(io.BytesIO(data))
    said = read(file.infotext) if file.infotext else None
    if said is None and COMFY not in file.texts:
        return Told(file)
    try:
        return Told(file, said, recall_graph(file.texts[COMFY]) if said is None else recall(said))
    except (BadValue, UnknownName) as error:
        return Told(file, said, None, error.message)


def flat(fields: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return values within values as lines: "guidance scale" and the like."""
    lines: dict[str, str] = {}
    for name, value in fields.items():
        shown = f"{before}{name.replace('_', ' ')}"
        lines |= flat(value, f"{shown} ") if isinstance(value, Mapping) else {shown: str(value)}
    return lines
