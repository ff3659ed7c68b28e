"""Which reader a weights file needs, by its first bytes and not by its ending."""

from __future__ import annotations

from pathlib import Path

from easel.models.listing import Listing, read_listing


def listing_of(file: Path) -> Listing:
    """Return the listing of a weights file. Raises ModelError naming it."""
    return read_listing(file)
