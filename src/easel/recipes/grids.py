"""Finished cells to what a grid shows: labelled sheets with their infotext.

The cells of a grid are requests of their own (prompt/axes.py) that share forwards in the engine like any others; this
file only lays their pictures out.
"""

from __future__ import annotations

from collections.abc import Sequence

from easel.core.result import Picture
from easel.media.sheets import labelled
from easel.prompt.axes import Axis, Grid
from easel.prompt.infotext import quoted


def sheets_of(grid: Grid, pictures: Sequence[Picture]) -> list[Picture]:
    """Return one labelled sheet for each z, of the cells' pictures in the order of the grid's requests.

    A sheet has the seed and infotext of its first cell, with A1111's fields of an X/Y/Z plot.
    """
    size = len(grid.x) * len(grid.y)
    sheets: list[Picture] = []
    for z, name in enumerate(grid.z.values):
        some = pictures[z * size : (z + 1) * size]
        title = f"{grid.z.label}: {name}" if grid.z.label else ""
        image = labelled([picture.image for picture in some], heads(grid.x), heads(grid.y), title=title)
        sheets.append(Picture(image, some[0].seed, f"{some[0].infotext}, {script_fields(grid)}"))
    return sheets


def heads(axis: Axis) -> list[str]:
    """Return the labels of an axis' values, with what varies unless that is the prompt itself."""
    if not axis.label or axis.label.startswith("Prompt"):
        return list(axis.values)
    return [f"{axis.label}: {value}" for value in axis.values]


def script_fields(grid: Grid) -> str:
    """Return the infotext fields by which A1111 records a grid."""
    said = [f"Script: {quoted('X/Y/Z plot')}"]
    for letter, axis in zip("XYZ", (grid.x, grid.y, grid.z), strict=True):
        if axis.label:
            said += [f"{letter} Type: {axis.label}", f"{letter} Values: {quoted(', '.join(axis.values))}"]
    return ", ".join(said)
