"""Grids as jobs: every cell one job, found again by what a browser keeps, laid out as the command line lays them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from easel.app import open_server
from easel.core.caller import Caller
from easel.core.errors import BadValue, RequestError, UnknownJob, UnknownName
from easel.core.request import Request
from easel.core.settings import Settings
from easel.jobs.following import wait_for
from easel.jobs.job import ErrorFacts
from easel.media.metadata import read_picture_file
from easel.prompt.axes import parse_axis
from easel.ui import plots
from easel.ui.house import House
from tests.ui.houses import house_in

ANN, BOB = Caller("ann", admin=False), Caller("bob", admin=False)
FOX = Request(prompt="a fox", steps=2, seed=5, width=64, height=64)


def refusing(request: Request) -> None:
    """Refuse what has 13 steps, as an engine refuses what it cannot do."""
    if request.steps == 13:
        raise BadValue("steps", 13, "another number")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A queue that nobody works on."""
    with house_in(tmp_path) as made:
        yield replace(made, check=refusing)


def submitted(house: House, *axes: str) -> plots.Plot:
    """A plot of ann's in the queue."""
    return plots.submitted(house, ANN, plots.planned(FOX, axes))


def test_every_cell_is_a_job_of_its_asker(house: House) -> None:
    plot = submitted(house, "Steps=2,3,4", "CFG Scale=1,7", "")
    jobs = [house.store.get(id, ANN.sees) for id in plot.ids]
    assert [(job.request.guidance.scale, job.request.steps) for job in jobs] == [
        (scale, steps) for scale in (1, 7) for steps in (2, 3, 4)
    ]
    assert {job.request.seed for job in jobs} == {5}
    with pytest.raises(UnknownJob):
        house.store.get(plot.ids[0], BOB.sees)


def test_a_plot_comes_back_from_what_a_browser_keeps(house: House) -> None:
    plot = submitted(house, "Prompt S/R=fox,cat", "", "")
    assert plots.read_plot(json.loads(json.dumps(plot.kept()))) == plot


@pytest.mark.parametrize("kept", [None, {}, [], "x", {"stem": "a", "x": {}, "y": {}, "z": {}, "seed": 1}])
def test_what_is_no_plot_is_none(kept: object) -> None:
    assert plots.read_plot(kept) is None


def test_what_claims_more_cells_than_a_grid_may_have_is_none() -> None:
    line = {"label": "Steps", "values": ["1"] * 100}
    assert plots.read_plot({"stem": "a", "x": line, "y": line, "z": {"label": "", "values": [""]}, "seed": 1}) is None


def test_nothing_is_kept_where_one_cell_cannot_run(house: House) -> None:
    with pytest.raises(BadValue, match="13"):
        submitted(house, "Steps=2,13", "", "")
    assert house.store.list() == []


def test_stopping_ends_every_cell_that_waits(house: House) -> None:
    plot = submitted(house, "Steps=2,3", "", "")
    assert {cell.state for cell in plots.standing(house, plot)} == {"queued"}
    plots.stop(house, ANN, plot)
    assert {cell.state for cell in plots.standing(house, plot)} == {"cancelled"}
    with pytest.raises(UnknownJob):
        plots.stop(house, BOB, submitted(house, "Steps=2,3", "", ""))
    with pytest.raises(RequestError, match="not whole"):
        plots.pictures_of(house, ANN, plot.ids)


def test_what_cannot_be_a_grid_is_refused() -> None:
    with pytest.raises(BadValue, match="choose what varies"):
        plots.planned(FOX, ["", "", ""])
    with pytest.raises(BadValue, match="batch size"):
        plots.planned(FOX.changed(batch_size=2), ["Steps=2,3", "", ""])
    with pytest.raises(UnknownName):
        plots.planned(FOX, ["Stepps=2", "", ""])


def test_values_picked_from_a_list_stand_before_those_typed_and_hold_their_commas() -> None:
    assert plots.spoken("", "3,4") == ""
    with pytest.raises(BadValue, match="values of Steps"):
        plots.spoken("Steps", " ")
    text = plots.spoken("Sampler", "Heun", ["Euler a", 'odd, "name"'])
    assert parse_axis(text, FOX).values == ("Euler a", 'odd, "name"', "Heun")


def test_every_axis_is_known_by_its_name() -> None:
    words = {"Prompt S/R": "fox", "Prompt order": "fox", "Size": "64x64", "Emphasis": "None", "RNG source": "NV"}
    words |= {"Tiling": "xy", "Width": "64", "Height": "64"}
    start = FOX.changed(start={"image": b"?"}, mask={}, refiner={"model": "starter"})
    for label in plots.AXES:
        assert parse_axis(f"{label}={words.get(label, '1')}", start).label == label


def test_a_grid_is_drawn_and_laid_out(tmp_path: Path) -> None:
    settings = Settings(models=tmp_path / "models", outputs=tmp_path / "outputs")
    with open_server(settings) as open:
        house = House(open.store, open.feed, open.library, settings, open.album, open.check, open.figures)
        plot = submitted(house, "Steps=1,2", "", "")
        for id in plot.ids:
            assert wait_for(house.store, house.feed, id, 60).state == "done"
        assert [cell.state for cell in plots.standing(house, plot)] == ["done", "done"]
        sheet = plots.sheet(house, ANN, plot, 0)
        found = read_picture_file(io.BytesIO(sheet))
        assert found.width > 2 * 64
        assert found.infotext is not None
        assert "X Type: Steps" in found.infotext
        for format in plots.FILMS:
            assert len(plots.film(house, ANN, plot, format, 4, True)) > 1000
        with Image.open(io.BytesIO(plots.film(house, ANN, plot, "gif", 4, False))) as gif:
            assert gif.n_frames == 2
        with pytest.raises(UnknownJob):
            plots.sheet(house, BOB, plot, 0)


def test_why_cells_failed_is_told_once_each(house: House) -> None:
    plot = submitted(house, "Steps=2,3,4", "", "")
    full, small = ErrorFacts("OutOfMemory", "out of memory."), ErrorFacts("Unsupported", "no.")
    for error in (full, small, full):
        claimed = house.store.claim("w")
        assert claimed is not None and house.store.fail(claimed.id, "w", error)
    assert plots.errors_of(house, ANN, plot, plots.standing(house, plot)) == [full, small]
