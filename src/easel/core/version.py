"""Which Easel this is."""

from __future__ import annotations


def version() -> str:
    """Return the installed version of Easel, or "(not installed)" where it runs from a bare source folder."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("easel")
    except PackageNotFoundError:
        return "(not installed)"
