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
    return [sheet_of(grid, z, pictures[z * size : (z + 1) * size]) for z in range(len(grid.z))]


def sheet_of(grid: Grid, z: int, pictures: Sequence[Picture]) -> Picture:
    """Return the labelled sheet of one z, of its cells' pictures row by row."""
    title = f"{grid.z.label}: {grid.z.values[z]}" if grid.z.label else ""
    image = labelled([picture.image for picture in pictures], heads(grid.x), heads(grid.y), title=title)
    return Picture(image, pictures[0].seed, f"{pictures[0].infotext}, {script_fields(grid)}")


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
