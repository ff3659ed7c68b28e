"""Where the browser finds the files of jobs: addresses only, made in one place for all tabs."""

from __future__ import annotations

from urllib.parse import quote


def picture(job: str, number: int) -> str:
    """Return the address of a finished picture, given to its owner alone."""
    return f"/v1/jobs/{quote(job)}/pictures/{number}"


def film(job: str) -> str:
    """Return the address of a clip's film, given to its owner alone."""
    return f"/v1/jobs/{quote(job)}/film"


def preview(kind: str, name: str) -> str:
    """Return the address of the small picture of a model or another file by its kind and name; see previews.py."""
    return f"/files/previews/{quote(kind)}/{quote(name, safe='')}"


def small(job: str, number: int) -> str:
    """Return the address of a finished picture at the size of a list, given to its owner alone."""
    return f"/files/small/{quote(job)}/{number}"


def day(name: str) -> str:
    """Return the address of the asker's pictures of a day, YYYY-MM-DD, as one zip."""
    return f"/v1/outputs/{quote(name)}.zip"


def before(job: str, number: int) -> str:
    """Return the address of what a finished picture was made from, as large as that picture; see before.py."""
    return f"/files/before/{quote(job)}/{number}"
