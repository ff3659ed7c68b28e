"""Which reader a weights file needs, by its first bytes and not by its ending."""

from __future__ import annotations

from pathlib import Path

from easel.models.files.companions import folded
from easel.models.files.gguf import is_gguf, read_gguf
from easel.models.files.listing import Listing, read_listing
from easel.models.files.pickled import is_pickled, read_pickled


def listing_of(file: Path) -> Listing:
    """Return the listing of a weights file: safetensors, GGUF or torch pickle. Raises ModelError naming it.

    Packed weights stand there as the weights that they stand for; see models/files/companions.py.
    """
    if is_gguf(file):
        return read_gguf(file)
    return read_pickled(file) if is_pickled(file) else folded(read_listing(file))
