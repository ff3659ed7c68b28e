"""Textual inversion (Gal et al. 2022, arXiv:2208.01618): vectors that stand in a prompt in place of tokens.

Reads the files that people have: A1111's .pt and picture, diffusers' .bin, safetensors, with vectors for one text
encoder or for several. Knows no prompts and no text encoders but their widths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from easel.core.errors import Mismatch, Unrecognised
from easel.models.files.weights import read_tensors
from easel.models.library.hashing import sha256_of

PICTURES = (".png", ".webp", ".jxl", ".avif")
MOST = 75  # vectors, all that a chunk has room for


@dataclass(frozen=True)
class Embedding:
    """One embedding. vectors: (count, width) float32 by width, as many for each text encoder that it was made for."""

    name: str
    path: Path
    vectors: Mapping[int, Tensor]

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def count(self) -> int:
        """How many tokens' places it takes."""
        return len(next(iter(self.vectors.values())))

    @cached_property
    def hash(self) -> str:
        """The first twelve hex digits of the file's SHA-256, as infotext's "TI hashes" has it."""
        return sha256_of(self.path)[:12]


def read_embedding(file: Path) -> Embedding:
    """Return the embedding of a file, named as the file is. Raises ModelError naming it."""
    if file.suffix.lower() in PICTURES:
        from easel.adapters.embedding_pictures import vectors_in_picture

        tensors = vectors_in_picture(file)
    else:
        tensors = read_tensors((file,))
    return embedding_of(file, file.stem, tensors)


def embedding_of(file: Path, name: str, tensors: Mapping[str, Any]) -> Embedding:
    """Return the embedding called `name` that the tensors of a file are. Raises ModelError naming the file."""
    found = [tensor for tensor in tensors.values() if isinstance(tensor, Tensor)]
    vectors = {two.shape[-1]: two.reshape(-1, two.shape[-1]).float() for two in found if two.ndim in (1, 2)}
    if not found or len(found) != len(tensors) or len(vectors) != len(found):
        raise Unrecognised(f"{file}: no embedding; one holds vectors of one width for each text encoder.")
    counts = {len(each) for each in vectors.values()}
    if len(counts) != 1 or not 1 <= max(counts) <= MOST:
        had = " and ".join(map(str, sorted(counts)))
        raise Mismatch(f"{file}: holds {had} vectors, allowed are 1 to {MOST}, as many for each text encoder.")
    return Embedding(name, file, vectors)
