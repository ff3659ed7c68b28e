"""Which reader a weights file needs, by its first bytes and not by its ending."""

from __future__ import annotations

from pathlib import Path

from easel.models.listing import Listing, read_listing
from easel.models.pickled import is_pickled, read_pickled


def listing_of(file: Path) -> Listing:
    """Return the listing of a weights file, safetensors or torch pickle. Raises ModelError naming it."""
    return read_pickled(file) if is_pickled(file) else read_listing(file)
