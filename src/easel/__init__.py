"""Easel: pictures from words, in one small, fast, honest house.

    import easel
    pictures = easel.load("starter").text_to_image("a fox", seed=1)

Names below are the public API; they are imported at their first use, so that `import easel` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from easel.core.errors import (
        BadValue,
        Cancelled,
        EaselError,
        ModelError,
        RequestError,
        ResourceError,
        UnknownName,
    )
    from easel.core.passes import Guidance, Hires, Refiner, Words
    from easel.core.pictures import Mask, Outpaint, Start
    from easel.core.request import Request
    from easel.core.result import Picture, Result
    from easel.core.settings import Settings
    from easel.studio import Studio, load

__all__ = [
    "BadValue",
    "Cancelled",
    "EaselError",
    "Guidance",
    "Hires",
    "Mask",
    "ModelError",
    "Outpaint",
    "Picture",
    "Refiner",
    "Request",
    "RequestError",
    "ResourceError",
    "Result",
    "Settings",
    "Start",
    "Studio",
    "UnknownName",
    "Words",
    "load",
]

_HOMES = {
    "easel.core.errors": (
        "BadValue",
        "Cancelled",
        "EaselError",
        "ModelError",
        "RequestError",
        "ResourceError",
        "UnknownName",
    ),
    "easel.core.passes": ("Guidance", "Hires", "Refiner", "Words"),
    "easel.core.pictures": ("Mask", "Outpaint", "Start"),
    "easel.core.request": ("Request",),
    "easel.core.result": ("Picture", "Result"),
    "easel.core.settings": ("Settings",),
    "easel.studio": ("Studio", "load"),
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that defines it (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'easel' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
