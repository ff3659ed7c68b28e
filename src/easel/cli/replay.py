"""`easel replay`: a picture made again from its own metadata, and whether it is the same."""

from __future__ import annotations


def replay() -> None:
    """Make a picture again from its own metadata and say whether it is the same."""
