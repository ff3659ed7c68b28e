"""Parts of a model from other files: another VAE, a U-Net or transformer alone, text encoders beside it.

What is lent may be a part alone or a whole checkpoint, a file or a folder. Knows sources and families' tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from easel.core.errors import Mismatch
from easel.models.layouts.makeup import WORDS, roles_of
from easel.models.layouts.sources import PARTS, Source
from easel.models.words.tokens import Reader

if TYPE_CHECKING:
    from torch import Tensor

    from easel.models.files.packed import Packed


class Lent:
    """A source some of whose parts come from others; hash, schedule and habits stay its own."""

    def __init__(self, source: Source, parts: Mapping[str, Source]) -> None:
        self.source = source
        self.parts = parts

    @property
    def family(self) -> str:
        return self.source.family

    @property
    def variant(self) -> str:
        return self.source.variant

    @property
    def files(self) -> tuple[Path, ...]:
        return self.source.files

    @property
    def schedule(self) -> Mapping[str, Any]:
        return self.source.schedule

    @property
    def habits(self) -> tuple[Path, Mapping[str, Any]]:
        return self.source.habits

    def of(self, part: str) -> Source:
        """Return who has a part."""
        return self.parts.get(part, self.source)

    def config(self, part: str) -> Mapping[str, Any]:
        return self.of(part).config(part)

    def where(self, part: str) -> Path:
        return self.of(part).where(part)

    def tensors(self, part: str) -> dict[str, Tensor | Packed]:
        return self.of(part).tensors(part)

    def names(self, part: str) -> Mapping[str, str]:
        return self.of(part).names(part)

    def has(self, part: str) -> bool:
        return self.of(part).has(part)

    def reader(self, part: str = "text_encoder", room: int | None = None) -> Reader:
        return self.of(part).reader(part, room)

    def seen_by(self, family: str, variant: str = "") -> Source:
        seen = {part: lender.seen_by(family, variant) for part, lender in self.parts.items()}
        return Lent(self.source.seen_by(family, variant), {part: one for part, one in seen.items() if one.has(part)})


def with_parts(source: Source, parts: Mapping[str, Source]) -> Source:
    """Return a source with the parts that others lend it, by diffusers' names of the parts.

    Each lender is a part alone or a whole model that has it. Raises Mismatch where the model has no such part or the
    lender none that the model can read.
    """
    seen: dict[str, Source] = {}
    for part, lender in parts.items():
        seen[part] = lender.seen_by(source.family, source.variant)
        if not seen[part].has(part):
            role = roles_of(source.family, source.variant).get(part)
            model = f"{WORDS[source.family]} {source.variant}".strip()
            said = f"no {role.spoken} that {model} can read" if role else f"{model} has no {part}"
            raise Mismatch(f"{lender.files[0]}: {'has ' if role else ''}{said}; give another file.")
    return Lent(source, seen)


def parts_to_lend(lender: Source, source: Source) -> tuple[str, ...]:
    """Return which parts of a model another source can fill, by diffusers' names."""
    seen = lender.seen_by(source.family, source.variant)
    return tuple(part for part in PARTS if seen.has(part))
