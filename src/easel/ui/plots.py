"""Grids as jobs: what varies, read from the page's words; a job for every cell; and their pictures laid out again.

A plot is told by its ids and its labels alone, which a browser keeps, so that it is found again after a reload. Knows
the queue; knows no widgets.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from easel.core.caller import Caller
from easel.core.errors import BadValue, EaselError, RequestError
from easel.core.request import Request
from easel.jobs.job import ErrorFacts, Kept, State
from easel.prompt.axes import LABELS, MOST_CELLS, NO_AXIS, Axis, Grid, grid, parse_axis

if TYPE_CHECKING:
    from easel.core.result import Picture
    from easel.ui.house import House

OTHER_AXES = ("Prompt S/R", "Prompt order", "Size")  # those that are no field of a request
AXES = (*OTHER_AXES, *LABELS)
FILMS = ("gif", "webp", "mp4")
MOST_ERRORS = 8  # that are asked for at a time
MOST_PIXELS = 2**27  # of the pictures that are laid out together


@dataclass(frozen=True, slots=True)
class Line:
    """One axis of a plot: what varies, "" where nothing does, and the label of each value."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A grid in the queue: what the ids of its jobs begin with, and its axes. seed: of its first cell."""

    stem: str
    x: Line
    y: Line
    z: Line
    seed: int = 0

    def __len__(self) -> int:
        return len(self.x.values) * len(self.y.values) * len(self.z.values)

    @property
    def ids(self) -> list[str]:
        """The ids of all jobs: z by z, in each row by row."""
        return [f"{self.stem}.{cell}" for cell in range(len(self))]

    @property
    def varies(self) -> int:
        """How many axes have more than one value."""
        return sum(len(line.values) > 1 for line in (self.x, self.y, self.z))

    def kept(self) -> dict[str, Any]:
        """Return what a browser keeps of it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Cell:
    """How one cell stands. share: 0..1, how far it is while it is drawn."""

    state: State
    share: float = 0.0


def read_plot(kept: Any) -> Plot | None:
    """Return the plot that a browser kept, None where it is none."""
    try:
        lines = {name: Line(str(kept[name]["label"]), tuple(map(str, kept[name]["values"]))) for name in "xyz"}
        found = Plot(str(kept["stem"]), seed=int(kept["seed"]), **lines)
    except (KeyError, TypeError, ValueError):
        return None
    return found if 1 <= len(found) <= MOST_CELLS else None


def spoken(label: str, text: str, picks: Sequence[str] = ()) -> str:
    """Return an axis as prompt/axes.py reads it, "" where nothing is chosen. picks: values from a list, before text.

    Raises BadValue for an axis without values.
    """
    if not label:
        return ""
    values = ", ".join(filter(None, (joined(picks), text.strip())))
    if not values:
        raise BadValue(f"values of {label}", None, "at least one", remedy="type some, or pick them from the list")
    return f"{label}={values}"


def joined(values: Sequence[str]) -> str:
    """Return values as one comma-separated text, with quotes where they hold commas."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue() if values else ""


def planned(request: Request, axes: Sequence[str]) -> Grid:
    """Return the grid of a request over axes as `spoken` returns them. Raises BadValue and UnknownName.

    Its seed is drawn where none was given, so that all cells share it.
    """
    given = [axis for axis in axes if axis]
    if not given:
        raise BadValue("grid", "nothing", "at least one axis", remedy="choose what varies")
    if request.batch_size > 1:
        raise BadValue("batch size", request.batch_size, "1 for a grid", remedy="vary the seed instead")
    settled = request.settled()
    return grid(settled, *(parse_axis(axis, settled) if axis else NO_AXIS for axis in axes))


def submitted(house: House, caller: Caller, found: Grid) -> Plot:
    """Put every cell into the queue and return the plot; nothing is kept where one of them cannot run.

    Raises RequestError, ModelError, QueueFull, StorageError.
    """
    for request in found.requests:
        house.check(request)
    stem = f"plot-{uuid4().hex}"
    lines = [Line(axis.label, axis.values) for axis in (found.x, found.y, found.z)]
    plot = Plot(stem, *lines, seed=found.requests[0].seed or 0)
    kept: list[str] = []
    try:
        for id, request in zip(plot.ids, found.requests, strict=True):
            house.store.submit(request, caller.name, id=id)
            kept.append(id)
    except EaselError:
        for id in kept:
            house.store.cancel(id, caller.sees)
        raise
    return plot


def standing(house: House, plot: Plot) -> list[Cell]:
    """Return how each cell stands; one that is no longer in the queue counts as cancelled."""
    found = house.store.standings(plot.ids)
    cells: list[Cell] = []
    for id in plot.ids:
        one = found.get(id)
        if one is None:
            cells.append(Cell("cancelled"))
        else:
            step = one.progress
            cells.append(Cell(one.state, step.step / step.steps if step and step.steps else 0.0))
    return cells


def errors_of(house: House, caller: Caller, plot: Plot, cells: Sequence[Cell]) -> list[ErrorFacts]:
    """Return why the first of the failed cells failed, each reason once. Raises UnknownJob."""
    failed = [id for id, cell in zip(plot.ids, cells, strict=True) if cell.state == "failed"]
    jobs = [house.store.get(id, caller.sees) for id in failed[:MOST_ERRORS]]
    return list(dict.fromkeys(job.error for job in jobs if job.error))


def stop(house: House, caller: Caller, plot: Plot) -> None:
    """End every cell that waits or runs."""
    for id, cell in zip(plot.ids, standing(house, plot), strict=True):
        if cell.state in ("queued", "running"):
            house.store.cancel(id, caller.sees)


def pictures_of(house: House, caller: Caller, ids: Sequence[str]) -> list[Picture]:
    """Return the first picture of every job. Raises RequestError where one is missing, UnknownJob, StorageError."""
    from easel.core.result import Picture
    from easel.media.reading import open_image

    cells: list[Kept] = []
    for id in ids:
        job = house.store.get(id, caller.sees)
        if not job.pictures:
            raise RequestError("the grid is not whole: a cell has no picture; wait for it, or draw the grid again.")
        cells.append(job.pictures[0])
    pixels = sum(kept.width * kept.height for kept in cells)
    if pixels > MOST_PIXELS:
        raise BadValue("grid", f"{pixels} pixels", f"at most {MOST_PIXELS}", remedy="vary less, or draw it smaller")
    found: list[Picture] = []
    for kept in cells:
        image = open_image(house.file_of(kept).read_bytes(), kept.file)
        found.append(Picture(image, kept.seed, kept.infotext))
    return found


def sheet(house: House, caller: Caller, plot: Plot, z: int) -> bytes:
    """Return the labelled sheet of one z as the bytes of a PNG with its infotext. Raises as `pictures_of`, BadValue."""
    from easel.media.metadata import encode
    from easel.recipes.grids import sheet_of

    size = len(plot.x.values) * len(plot.y.values)
    made = sheet_of(grid_of(plot), z, pictures_of(house, caller, plot.ids[z * size : (z + 1) * size]))
    return encode(made.image, made.infotext)


def film(house: House, caller: Caller, plot: Plot, format: str, fps: float, bounce: bool) -> bytes:
    """Return the cells one after another as a film, one of FILMS. Raises as `pictures_of`, BadValue, UnknownName."""
    from easel.media.animation import animate

    if plot.varies > 1:
        raise BadValue("film", f"{plot.varies} axes", "one thing that varies", remedy="give one axis alone")
    frames = [picture.image for picture in pictures_of(house, caller, plot.ids)]
    return animate(frames, format, fps=fps, there_and_back=bounce)


def grid_of(plot: Plot) -> Grid:
    """Return the grid that a plot was made of, for its labels; it draws nothing anew."""
    axes = [Axis(line.label, line.values, NO_AXIS.changes * len(line.values)) for line in (plot.x, plot.y, plot.z)]
    return Grid(*axes, requests=())


def lists(house: House, label: str) -> tuple[str, ...]:
    """Return the values to choose from for an axis, none where any value may be typed."""
    makers: Mapping[str, Any] = {
        "Sampler": samplers,
        "Hires sampler": samplers,
        "Schedule type": schedules,
        "Hires upscaler": upscalers,
        "Checkpoint name": lambda: names(house, "checkpoint"),
        "Refiner checkpoint": lambda: names(house, "checkpoint"),
        "VAE": lambda: ("none", *names(house, "vae")),
        "Emphasis": lambda: ("Original", "No norm", "Ignore", "None"),
        "RNG source": lambda: ("CPU", "NV"),
        "Tiling": lambda: ("x", "y", "xy"),
    }
    return makers[label]() if label in makers else ()


def samplers() -> tuple[str, ...]:
    """Return the names of all samplers."""
    from easel.sampling import samplers

    return tuple(entry.name for entry in samplers)


def schedules() -> tuple[str, ...]:
    """Return the names of all schedules."""
    from easel.sampling import schedules

    return tuple(entry.name for entry in schedules)


def upscalers() -> tuple[str, ...]:
    """Return the names of all upscalers."""
    from easel.post.upscalers import upscalers

    return tuple(entry.name for entry in upscalers)


def names(house: House, kind: str) -> tuple[str, ...]:
    """Return the names of all files of one kind."""
    return tuple(house.library.places(kind))
