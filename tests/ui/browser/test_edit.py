"""The tab "edit" as a person uses it: a picture on the canvas, a mask drawn with the mouse, and what comes of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from easel.jobs.following import wait_for
from easel.jobs.job import Job
from tests.ui.serving import Served

SIZE = 128
STAGE = "#edit-canvas .stage"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of which every pixel is its own."""
    levels = numpy.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), numpy.uint8)
    Image.fromarray(levels).save(tmp_path / "noise.png")
    return tmp_path / "noise.png"


def edit(visit: Any, picture: Path | None = None, mode: str = "Draw anew", **window: Any) -> Any:
    """The page at this tab, with a picture on its canvas."""
    page = visit("/en/", **window)
    page.get_by_role("tab", name="Edit", exact=True).click()
    page.locator(STAGE).wait_for()
    if mode != "Draw anew":
        page.get_by_label(mode, exact=True).check()
        page.locator(f'.canvas[data-mode="{mode.lower().replace(" ", "_")}"]').wait_for()
    if picture is not None:
        page.locator("#edit-canvas input[type=file]").set_input_files(picture)
        page.locator(".canvas.has-picture").wait_for()
    return page


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a line over the canvas; places are shares of the picture's sides."""
    box = page.locator("#edit-canvas .sheet").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=6)
    page.mouse.up()


def draw(page: Any, served: Served, prompt: str = "a fox") -> Job:
    """Ask for a quick picture and return its job when it is done."""
    before = {job.id for job in served.house.store.list()}
    page.locator("#edit-prompt textarea").fill(prompt)
    page.locator("#edit-prompt textarea").blur()
    page.locator("#edit-draw").click()
    for _ in range(400):
        fresh = {job.id for job in served.house.store.list()} - before
        if fresh:
            break
        page.wait_for_timeout(100)
    (id,) = fresh
    job = wait_for(served.house.store, served.house.feed, id, 60)
    assert job.state == "done", job.error
    page.locator(f'#edit-results .tile[data-key="{id}/0"]').wait_for()
    return job


def result(served: Served, job: Job) -> numpy.ndarray:
    """The levels of a job's picture."""
    return numpy.asarray(Image.open(served.house.file_of(job.pictures[0])).convert("RGB"))


def test_inpaint_changes_what_the_mask_covers_and_nothing_else(visit: Any, served: Served, picture: Path) -> None:
    page = edit(visit, picture, "Inpaint")
    drag(page, (0.3, 0.3), (0.6, 0.3))
    job = draw(page, served)
    assert job.request.recipe == "inpaint"
    assert job.request.mask is not None
    mask = numpy.asarray(Image.open(io.BytesIO(job.request.mask.image or b"")).getchannel("A"))
    rows, columns = numpy.nonzero(mask)
    assert rows.size
    assert abs(rows.mean() - 0.3 * SIZE) < 3
    assert abs(columns.mean() - 0.45 * SIZE) < 4
    changed = (result(served, job) != numpy.asarray(Image.open(picture))).any(-1)
    assert changed.any()
    reach = 24  # the blur's and the brush's
    assert not changed[int(rows.max()) + reach :].any()
    assert not changed[:, : int(columns.min()) - reach].any()
    page.locator(".before-after .two").wait_for()
    slider = page.locator(".before-after .two input")
    slider.focus()
    slider.press("End")
    assert page.locator(".before-after .two").evaluate("one => one.style.getPropertyValue('--at')") == "100%"


def test_strokes_are_undone_and_done_again(visit: Any, picture: Path) -> None:
    page = edit(visit, picture, "Inpaint")
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    mask = page.locator("#edit-canvas canvas.mask")
    assert not mask.evaluate(drawn)
    drag(page, (0.2, 0.5), (0.8, 0.5))
    assert mask.evaluate(drawn)
    page.keyboard.press("Control+z")
    assert not mask.evaluate(drawn)
    page.keyboard.press("Control+Shift+z")
    assert mask.evaluate(drawn)
    page.locator('[data-act="eraser"]').click()
    page.locator(".brush-size").fill("100")
    drag(page, (0.1, 0.5), (0.9, 0.5))
    assert not mask.evaluate(drawn)


def test_a_sketch_on_blank_paper_starts_a_picture(visit: Any, served: Served) -> None:
    page = edit(visit, mode="Sketch")
    page.locator('[data-act="paper"]').click()
    page.locator(".canvas.has-picture").wait_for()
    page.locator(".brush-colour").fill("#ff8800")
    drag(page, (0.3, 0.5), (0.7, 0.5))
    job = draw(page, served)
    assert job.request.start is not None
    sketch = numpy.asarray(Image.open(io.BytesIO(job.request.start.image)))
    assert (sketch[sketch.shape[0] // 2, sketch.shape[1] // 2] == (255, 136, 0)).all()
    assert (sketch[0, 0] == 255).all()


def test_outpaint_shows_and_grows_its_margins(visit: Any, served: Served, picture: Path) -> None:
    page = edit(visit, picture, "Outpaint")
    page.get_by_label("Right").locator("visible=true").first.fill("32")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.querySelector('.canvas .frame').style.inset.includes('-32px')")
    job = draw(page, served)
    assert job.request.outpaint is not None
    assert job.request.outpaint.right == 32
    assert result(served, job).shape[1] == SIZE + 32


def test_an_empty_canvas_says_what_to_do(visit: Any) -> None:
    page = edit(visit)
    page.locator("#edit-draw").click()
    page.get_by_text("drop one on the canvas").wait_for()


def test_picture_mask_and_mode_are_there_again_after_a_reload(visit: Any, picture: Path) -> None:
    page = edit(visit, picture, "Inpaint")
    drag(page, (0.2, 0.5), (0.8, 0.5))
    for _ in range(200):  # it is kept a moment after the last stroke
        if page.evaluate("async () => Boolean((await easel.shelf.take())?.mask)"):
            break
        page.wait_for_timeout(100)
    page.reload()
    page.get_by_role("tab", name="Edit", exact=True).click()
    page.locator('.canvas.has-picture[data-mode="inpaint"]').wait_for()
    page.wait_for_function(
        "() => { const one = document.querySelector('canvas.mask');"
        " return one.width && one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(Boolean); }"
    )


def test_a_result_goes_on_the_canvas_again(visit: Any, served: Served, picture: Path) -> None:
    page = edit(visit, picture)
    job = draw(page, served)
    shown = page.locator("#edit-canvas img").get_attribute("src")
    page.locator("#edit-results .acts").get_by_role("button", name="Edit", exact=True).click()
    page.wait_for_function("before => document.querySelector('#edit-canvas img').src !== before", arg=shown)
    again = draw(page, served)
    assert again.request.start is not None
    assert again.request.start.image == served.house.file_of(job.pictures[0]).read_bytes()
