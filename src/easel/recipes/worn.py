"""The adapters that a request wears in every forward of its story."""

from __future__ import annotations

from easel.adapters.tiling import Seamless
from easel.core.request import Request
from easel.core.work import Worn


def worn_by(request: Request) -> tuple[Worn, ...]:
    """Return what the models wear while they work on a request; equal requests wear equal adapters."""
    return (Seamless(request.seamless),) if request.seamless else ()
